# SPDX-License-Identifier: Apache-2.0
# Every target sets up what it needs in .venv and install first, as far as something has changed.
.PHONY: help demo test build lint unit system systemd systemd-faults incident matrix bench-drive bench-hops bench-idle bench-video bench-link bench-load bench-media test-vm clean
.DEFAULT_GOAL := help
SETUP := sh tools/setup.sh

help:           ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

demo:           ## the robot with simulated devices, and a link to drive it by
	@$(SETUP) demo

test:           ## every check: style, types, JavaScript, units, the whole system
	@$(SETUP) test

build:          ## set up and build the packages into install
	@$(SETUP) build

lint:           ## style and types
	@$(SETUP) test style types

unit:           ## the tests of the single packages, Python and JavaScript
	@$(SETUP) test javascript units

system:         ## the tests of the whole system
	@$(SETUP) test system

systemd:        ## the service on a machine with a real systemd (as root)
	@$(SETUP) test systemd

systemd-faults: ## the service killed, frozen, starved and flooded (as root; not proven yet)
	@$(SETUP) test systemd-faults

incident:       ## the night the first robot was lost, replayed for ten minutes (as root)
	@$(SETUP) test incident

matrix:         ## the runaway matrix, 50 times (less than an hour on a quiet machine)
	@$(SETUP) test matrix

bench-drive:    ## latency from the WebSocket to the serial line, and stop times
	@$(SETUP) test bench-drive

bench-hops:     ## where the time of a command goes, stage by stage
	@$(SETUP) test bench-hops

bench-idle:     ## processor time and memory of every process at rest
	@$(SETUP) test bench-idle

bench-video:    ## age of the picture in a browser, first picture, key to motion, viewers
	@$(SETUP) test bench-video

bench-link:     ## picture and commands over a bad link (as root)
	@$(SETUP) test bench-link

bench-load:     ## opening the page over a slow link (as root)
	@$(SETUP) test bench-load

bench-media:    ## what viewers and downloads cost the loop of the commands
	@$(SETUP) test bench-media

test-vm:        ## the virtual robot: a stock kernel, a USB serial adapter, cameras, faults
	@$(SETUP) test vm

clean:          ## remove what was built; the next make sets up anew
	rm -rf .venv .cache build install log
