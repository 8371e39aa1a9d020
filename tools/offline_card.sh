#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make src/avatar_bringup/config/offline.mp4, what viewers see while there is no picture:
#     sh tools/offline_card.sh FONT.ttf       (needs ffmpeg with drawtext and libx264)
# One second, in the profile of the encoder, with a key frame at its start: who joins sees it within
# a second. Ten frames, because the media server ends a frame before the picture takes over.
set -eu
font=${1:?name a TrueType font, such as DejaVuSans.ttf}
out=$(dirname "$0")/../src/avatar_bringup/config/offline.mp4
text() {
    printf "drawtext=fontfile=%s:text='%s':fontcolor=0x%s:fontsize=%s:x=(w-tw)/2:y=%s" \
        "$font" "$1" "$2" "$3" "$4"
}
"${FFMPEG:-ffmpeg}" -hide_banner -loglevel error -y -f lavfi -i 'color=0x1c2430:s=640x360:r=10:d=1' \
    -vf "$(text 'No picture from the camera' e8edf4 34 90),$(text 'Nicio imagine de la cameră' \
    e8edf4 34 160),$(text 'Kein Bild von der Kamera' e8edf4 34 230)" \
    -c:v libx264 -profile:v baseline -level 3.1 -pix_fmt yuv420p -preset veryslow -crf 30 \
    -g 10 -bf 0 -x264-params scenecut=0 -an -movflags +faststart -fflags +bitexact \
    -map_metadata -1 "$out"
