# SPDX-License-Identifier: Apache-2.0
"""The command lines of ffmpeg. Pure; why each option is there is said here."""

from dataclasses import dataclass

from avatar_camera.ffmpeg import Ffmpeg
from avatar_camera.stream.device import H264, Mode
from avatar_camera.stream.frames import Format
from avatar_camera.stream.profiles import MAX_FPS, Rates

# The header and what a VPN adds must fit into its MTU of 1280.
RTP_BYTES = 1200
PROGRESS_PERIOD_S = 0.25
# A key frame each second, counted by time: a slow camera must not make it rare.
KEY_FRAME_S = 0.95
LIBX264, HARDWARE = 'libx264', 'h264_v4l2m2m'

_QUIET = ('-hide_banner', '-nostdin', '-loglevel', 'warning')
# Nothing is waited for, nothing is collected before the first picture goes on.
_AT_ONCE = ('-fflags', 'nobuffer', '-flags', 'low_delay', '-probesize', '32',
            '-analyzeduration', '0', '-fpsprobesize', '0')


@dataclass(frozen=True)
class Picture:
    """How a picture is encoded."""

    width: int
    height: int
    fps: int
    rates: Rates
    encoder: str = LIBX264


def raw_input(source: Format) -> tuple[str, ...]:
    """Return the options that read raw frames from stdin, each stamped when it is complete."""
    return (
        *_AT_ONCE, '-use_wallclock_as_timestamps', '1', '-f', 'rawvideo',
        '-pixel_format', source.pixel_format, '-video_size', f'{source.width}x{source.height}',
        # Not their rate but the step of their times: ms. (The rate would round the times to it.)
        '-framerate', '1000', '-i', 'pipe:0',
    )


def encoding(ffmpeg: Ffmpeg, picture: Picture, threads: int) -> tuple[str, ...]:
    """Return the options that make H.264 without B frames and without delay."""
    rates, fps = picture.rates, picture.fps
    common = (
        '-an', *ffmpeg.as_they_come, '-pix_fmt', 'yuv420p',
        '-b:v', f'{rates.target}k', '-g', str(fps), '-bf', '0', '-flush_packets', '1',
        '-force_key_frames', f'expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+{KEY_FRAME_S}))',
    )
    if picture.encoder != LIBX264:
        return (*common, '-c:v', picture.encoder)
    return (
        *common, '-c:v', LIBX264, '-preset', 'ultrafast', '-tune', 'zerolatency',
        # x264 calls it baseline and sets the flag that makes it the constrained one.
        '-profile:v', 'baseline', '-level:v', '3.1', '-sc_threshold', '0', '-refs', '1',
        '-maxrate', f'{rates.most}k', '-bufsize', f'{rates.buffer}k',
        # ffmpeg takes the step of the times for the frame rate; the rate control needs the rate.
        '-x264-params', f'fps={fps}/1', '-forced-idr', '1', '-threads', str(threads),
    )


def scaling(source: Format, picture: Picture) -> tuple[str, ...]:
    """Return the options that change the size, where it is another one."""
    if (source.width, source.height) == (picture.width, picture.height):
        return ()
    return ('-vf', f'scale={picture.width}:{picture.height}:flags=fast_bilinear')


def to_server(url: str) -> tuple[str, ...]:
    """Return the options that publish by RTSP over TCP."""
    return ('-f', 'rtsp', '-rtsp_transport', 'tcp', '-pkt_size', str(RTP_BYTES), url)


def progress(descriptor: int) -> tuple[str, ...]:
    """Return the options that report how many pictures came out."""
    return ('-progress', f'pipe:{descriptor}', '-stats_period', str(PROGRESS_PERIOD_S), '-nostats')


def encode_frames(
    ffmpeg: Ffmpeg, source: Format, picture: Picture, url: str, progress_fd: int, threads: int
) -> list[str]:
    """Return the command that encodes raw frames from stdin and publishes them."""
    return [
        ffmpeg.path, *_QUIET, *progress(progress_fd), *raw_input(source),
        *scaling(source, picture), *encoding(ffmpeg, picture, threads), *to_server(url)]


def device_input(mode: Mode, fps: int) -> tuple[str, ...]:
    """Return the options that read a video device."""
    return (*_AT_ONCE, '-f', 'v4l2', '-input_format', mode.pixel_format,
            '-video_size', f'{mode.width}x{mode.height}', '-framerate', str(fps),
            '-i', mode.device)


def list_formats(ffmpeg: Ffmpeg, path: str) -> list[str]:
    """Return the command that prints what a video device can do."""
    return [ffmpeg.path, '-hide_banner', '-nostdin', '-f', 'v4l2', '-list_formats', 'all',
            '-i', path]


def read_device(
    ffmpeg: Ffmpeg, mode: Mode, picture: Picture | None, url: str, images: Format | None,
    progress_fd: int, threads: int,
) -> list[str]:
    """Return the command that publishes a device's pictures, and gives them to stdout."""
    fps = picture.fps if picture is not None else MAX_FPS
    words = [ffmpeg.path, *_QUIET, *progress(progress_fd), *device_input(mode, fps)]
    if picture is not None and mode.pixel_format == H264:
        words += ['-map', '0:v', '-c:v', 'copy', *to_server(url)]
    elif picture is not None:
        # A camera that is faster than asked: evenly spread ones. (The filter `fps` would delay.)
        chosen = f"select='isnan(prev_selected_t)+gte(t-prev_selected_t,{0.75 / fps:.4f})'"
        words += [
            '-map', '0:v', '-vf', f'{chosen},scale={picture.width}:{picture.height}'
            ':flags=fast_bilinear', *encoding(ffmpeg, picture, threads),
            # Times keep a step of a millisecond; else they are rounded to the frame rate.
            '-enc_time_base', '1:1000', *to_server(url)]
    if images is not None:
        words += ['-map', '0:v', *ffmpeg.as_they_come, '-pix_fmt', images.pixel_format,
                  '-f', 'rawvideo', '-flush_packets', '1', 'pipe:1']
    return words


def trial(ffmpeg: Ffmpeg, encoder: str) -> list[str]:
    """Return the command that encodes a second of a test picture to stdout."""
    return [ffmpeg.path, *_QUIET, '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=20',
            '-frames:v', '20', '-pix_fmt', 'yuv420p', '-c:v', encoder, '-b:v', '200k',
            '-g', '20', '-bf', '0', '-f', 'h264', 'pipe:1']


def grab(ffmpeg: Ffmpeg, url: str, quality: int = 3) -> list[str]:
    """Return the command that makes one JPEG of what is streamed now, to stdout."""
    return [ffmpeg.path, *_QUIET, '-rtsp_transport', 'tcp', '-i', url, '-frames:v', '1',
            '-pix_fmt', 'yuvj420p', '-q:v', str(quality), '-f', 'mjpeg', 'pipe:1']


def to_jpeg(
    ffmpeg: Ffmpeg, source: Format, width: int, height: int, quality: int = 3
) -> list[str]:
    """Return the command that makes one JPEG of one raw frame, stdin to stdout."""
    return [
        ffmpeg.path, *_QUIET, '-f', 'rawvideo', '-pixel_format', source.pixel_format,
        '-video_size', f'{source.width}x{source.height}', '-i', 'pipe:0', '-frames:v', '1',
        '-vf', f'scale={width}:{height}', '-pix_fmt', 'yuvj420p', '-q:v', str(quality),
        '-f', 'mjpeg', 'pipe:1']


def record(ffmpeg: Ffmpeg, url: str, path: str) -> list[str]:
    """Return the command that copies the stream into a file that is playable at any moment."""
    return [
        ffmpeg.path, *_QUIET, '-probesize', '32', '-analyzeduration', '0',
        '-rtsp_transport', 'tcp', '-i', url, '-map', '0:v:0', '-c', 'copy',
        '-f', 'mp4', '-movflags', '+frag_keyframe+empty_moov+default_base_moof',
        '-flush_packets', '1', '-y', path]
