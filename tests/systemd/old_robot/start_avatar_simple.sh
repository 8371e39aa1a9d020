#!/bin/bash
# As the report tells it: kill what is there, MediaMTX in the background, the page in front.
pkill -9 -f mediamtx
sleep 1
python3 -u modules/mediamtx.py &
exec python3 -u modules/mediamtx_main.py
