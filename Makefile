# Everything starts here: `make` prints the targets. The work is done by `python -m tools` (see tools/__main__.py).

# What make's command line gives. First of all: make would expand it for every program that it starts, since 4.4 for $(shell …) too, and
# a value may have anything in it.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
unexport $(GIVEN)

PYTHON ?= python3
VENV := .venv/bin/python
TOOLS := $(VENV) -m tools
STATION := $(VENV) -m station

# Messages are in make's words: BOARD=, not --board
export OUTPOST_MAKE := 1

TARGETS := $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))
.PHONY: $(TARGETS)
.DEFAULT_GOAL := help

# It is handed on as it is, one word for the shell, whatever is in it: $(call given,PORT) is the value of
# PORT=…, $(call option,PORT,port) makes --port … of it, $(call flag,DRY,dry-run) makes --dry-run of DRY=1.
quoted = '$(subst ','\'',$(1))'
given = $(call quoted,$(value $(1)))
option = $(if $(value $(1)),--$(2) $(call given,$(1)))
flag = $(if $(value $(1)),--$(2))

# A misspelt variable would be ignored without a word, and so would one that the target does not take. For a misspelt target
# make names the nearest one, also where a folder has that name (`make tests`).
ifneq ($(strip $(GIVEN) $(filter-out $(TARGETS),$(MAKECMDGOALS))),)
  FAULT := $(shell $(PYTHON) -m tools.variables $(foreach word,$(GIVEN) -- $(MAKECMDGOALS),$(call quoted,$(word))))
  ifneq ($(FAULT),)
    $(error $(FAULT))
  endif
endif

help: ## print this
	@echo 'Begin with: make run    a node on a simulated board and what it publishes; Ctrl-C ends it. README.md goes on from there.'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## bring what the other targets need (they call it themselves; PAGE=1: esptool-js, too)
	@$(PYTHON) -m tools setup $(call flag,PAGE,page)

ready:
	@$(PYTHON) -m tools setup --quiet

packages:
	@$(PYTHON) -m tools setup --quiet --packages

run: ready ## a node on a simulated board (BOARD=esp32|pico_w), a real broker, what it publishes (SECONDS=20, CONFIG=, SCENARIO=, HEAP=KB, NOPSRAM=1, SLOT=file|rom|loose, RAW=1, NOPAGE=1: not in a browser, PORTAL=1: its page for a phone)
	@$(TOOLS) run $(call option,BOARD,board) $(call option,SECONDS,seconds) $(call option,FOLDER,folder) \
	  $(call option,CONFIG,config) $(call option,SCENARIO,scenario) $(call option,HEAP,heap) $(call flag,NOPSRAM,no-psram) $(call option,SLOT,slot) $(call flag,PORTAL,portal) $(call flag,RAW,raw) \
	  $(call flag,NOPAGE,no-page)

demo: ready ## a minute of a node whose Wi-Fi, broker and power are cut, its page, and a count at the end (SECONDS=70, STAY=1, FOLDER=)
	@$(STATION) demo $(call option,SECONDS,seconds) $(call flag,STAY,stay) $(call option,FOLDER,folder)

board: ready ## an emulated Raspberry Pi Pico, its serial port on TCP (PORT=2040, FLASH=file that is its flash)
	@$(TOOLS) board $(call option,PORT,port) $(call option,FLASH,flash)

micropython: ready ## Outpost's own MicroPython for a board (BOARD=pico builds; others print the command)
	@$(TOOLS) micropython $(call option,BOARD,board)

# Four phases: two that work, one that mostly waits (more workers than processors), and one that works again.
test: check ## all tests, and the quick device tests once more from an image
	@$(TOOLS) setup --browser --page --databases --quiet
	@$(VENV) -m pytest -n auto tests/device tests/host -m work
	@$(VENV) -m pytest -n 8 --dist loadgroup tests/host tests/system -m "(slow or system) and not work"
	@$(VENV) -m pytest -n auto tests/device --image -m "not slow"

test-board: ready ## the tests on the emulated Pico: deploy, boot, watchdog, power cuts, with the true firmware
	@$(TOOLS) board --build
	@$(VENV) -m pytest -n auto --dist worksteal tests/board

check: ready ## format, lint, types, spelling, import direction and the quick tests, in minutes
	@$(VENV) -m ruff format --check --quiet .
	@$(VENV) -m ruff check --quiet .
	@$(VENV) -m mypy --no-error-summary
	@$(TOOLS) setup --types --quiet
	@$(VENV) -m mypy --no-error-summary --config-file mypy-device.ini
	@$(VENV) -m codespell_lib
	@$(VENV) -m pytest -n auto tests/device tests/host -m "not slow and not system"

format: ready ## let ruff format the sources and mend what it can
	@$(VENV) -m ruff format .
	@$(VENV) -m ruff check --fix .

mutate: ready ## small mutants of a device module against its tests (FILE=lib/mqtt/deadlines.py, TESTS=files with commas)
	@$(TOOLS) mutate $(call given,FILE) $(call option,TESTS,tests)

size: ready ## flash and RAM each device module takes, and the change since the last time (JSON=1)
	@$(TOOLS) size $(call flag,JSON,json)

bench: ready ## the MQTT client beside others, on one broker (minutes)
	@$(TOOLS) bench

bench-outbox: ready ## what the outbox writes, keeps and takes, on a littlefs
	@$(TOOLS) bench-outbox

bench-heap: ready ## what a node keeps on the heap, by what it runs: loose files, an image that is a file, one in place (SMALLEST=1: also the smallest heap that it lives in; JSON=1)
	@$(TOOLS) bench-heap $(call flag,SMALLEST,smallest) $(call flag,JSON,json)

torture: ready ## cut link, broker, power of a node, collector and database, a thousand times, and count (SEED=1 CUTS=1000 BOARD=esp32|pico_w, STORE=sqlite|postgresql|timescaledb)
	@$(TOOLS) torture $(call option,SEED,seed) $(call option,CUTS,cuts) $(call option,BOARD,board) $(call option,STORE,store)

dst: ready ## run a simulated node through random faults; a seed repeats a run (SEED=1 LIVES=1000 JOBS=2 GO_ON=1; STORY=1 tells one)
	@$(TOOLS) dst $(call option,SEED,seed) $(call option,LIVES,lives) $(call option,JOBS,jobs) $(call option,WITHOUT,without) $(call option,PLANT,plant) \
	  $(call flag,GO_ON,go-on) $(call flag,STORY,story)

config: packages ## write a config.json to begin with, for a board (BOARD=pico_w, SENSORS=bme280,ds18b20 or scan; OUT=file, REPLACE=1)
	@$(TOOLS) config $(call option,BOARD,board) $(call option,SENSORS,sensors) $(call option,OUT,out) $(call flag,REPLACE,replace) \
	  $(call option,PORT,port)

check-config: packages ## check config.json (CONFIG=file, BOARD= checks the pins too, NODE=name|all: nodes/<name>.json over it)
	@$(TOOLS) check-config $(if $(value CONFIG),$(call given,CONFIG)) $(call option,BOARD,board) $(call option,NODE,node)

scan: packages ## find the sensors on a board's pins, and their lines for config.json (PORT=, ALL=1, SDA= SCL=, ONEWIRE=)
	@$(TOOLS) scan $(call option,PORT,port) $(call option,SDA,sda) $(call option,SCL,scl) $(call option,ONEWIRE,onewire) \
	  $(call flag,ALL,all) $(call flag,JSON,json)

deploy: packages ## put firmware and settings on a board, or on several (PORT=a,b or all; CONFIG=file, NODE=name or KEEP=1; LOOSE=1, DRY=1)
	@$(TOOLS) deploy $(call option,PORT,port) $(call option,CONFIG,config) $(call option,NODE,node) \
	  $(call flag,KEEP,keep) $(call flag,LOOSE,loose) $(call flag,DRY,dry-run)

image: ready ## make the image that boards run: firmware and libraries in one file (OUT=file or folder; BOARD= MICROPYTHON=file: joined, for a blank board; PAGE=1: and a web page that writes it onto an ESP32)
	@$(if $(value PAGE),$(TOOLS) setup --page --quiet)
	@$(TOOLS) image $(call option,OUT,out) $(call option,BOARD,board) $(call option,MICROPYTHON,micropython) $(call flag,PAGE,page)

flash: packages ## put MicroPython on a board (BOARD=, else it is asked; PORT=, FIRMWARE=file, ERASE=1, DRIVE=folder, DRY=1)
	@$(TOOLS) flash $(call option,BOARD,board) $(call option,PORT,port) $(call option,FIRMWARE,firmware) \
	  $(call option,DRIVE,drive) $(call flag,ERASE,erase) $(call flag,DRY,dry-run)

provision: packages ## ask for a node's network, broker and name, try them from the board, write them (PORT=, ANSWERS=file, CSV=file, CONFIG=)
	@$(TOOLS) provision $(call option,PORT,port) $(call option,ANSWERS,answers) $(call option,CSV,csv) $(call option,CONFIG,config)

broker: ready ## set up a broker with an account for each node and program (HOST=names, CSV=file, CONFIG=, FOLDER=, PORT=, LOCAL=, PLAIN=1, QUEUE=MB, NODE=, ACCOUNTS=names, BRIDGE=file); RUN=1 proves it and starts it here (LISTEN=, SECONDS=)
	@$(STATION) broker $(call option,HOST,host) $(call option,CSV,csv) $(call option,CONFIG,config) $(call option,FOLDER,folder) \
	  $(call option,PORT,port) $(call option,LOCAL,local) $(call option,PLAIN,plain) $(call option,QUEUE,queue) \
	  $(call option,NODE,node) $(call option,ACCOUNTS,accounts) $(call option,BRIDGE,bridge) $(call flag,RUN,run) \
	  $(call option,LISTEN,listen) $(call option,SECONDS,seconds)

revoke: packages ## take a node's account at the broker away, and end its connection (NODE=name; FOLDER=)
	@$(STATION) revoke $(call option,NODE,node) $(call option,FOLDER,folder)

watch: packages ## subscribe to what the nodes of config.json's broker publish (CONFIG=file, TOPIC=, RAW=1)
	@$(TOOLS) watch $(call option,CONFIG,config) $(call option,TOPIC,topic) $(call flag,RAW,raw)

collect: packages ## store every reading that nodes publish (STORE=readings.sqlite, postgresql://user@host/database or http://host:port/?db=, BESIDE=file; CONFIG=file or BROKER=host, CA=, CERT=, KEY=, ACCOUNT=, PASSWORD_FILE=, BASE=; ID=, METRICS=port, WORKER=number; RETIRE=1)
	@$(STATION) collect $(call option,CONFIG,config) $(call option,BROKER,broker) $(call option,CA,ca) $(call option,CERT,cert) $(call option,KEY,key) \
	  $(call option,SERVER_NAME,server-name) $(call option,ACCOUNT,account) $(call option,PASSWORD_FILE,password-file) $(call option,BASE,base) \
	  $(call option,STORE,store) $(call option,BESIDE,beside) $(call option,ID,id) $(call option,METRICS,metrics) $(call option,WORKER,worker) $(call flag,RETIRE,retire)

page: packages ## show in a browser what nodes measure and how they are, from the store of make collect (STORE=readings.sqlite; CONFIG=file or BROKER=host, … as make collect, or NOBROKER=1; PORT=8040, LISTEN=address, HOST=names; USERS=file, ADD_USER=name)
	@$(STATION) page $(call option,CONFIG,config) $(call option,BROKER,broker) $(call option,CA,ca) $(call option,CERT,cert) $(call option,KEY,key) \
	  $(call option,SERVER_NAME,server-name) $(call option,ACCOUNT,account) $(call option,PASSWORD_FILE,password-file) $(call option,BASE,base) \
	  $(call flag,NOBROKER,no-broker) $(call option,STORE,store) $(call option,PORT,port) $(call option,LISTEN,listen) $(call option,HOST,host) \
	  $(call option,USERS,users) $(call option,ADD_USER,add-user)

gaps: packages ## list the readings that a store lacks (STORE=readings.sqlite, NODE=)
	@$(STATION) gaps $(call option,STORE,store) $(call option,NODE,node)

fleet: packages ## list the nodes and what is wrong with them, the worst first (STORE=readings.sqlite, NODE=, ONCE=1, JSON=1, EVERY=5)
	@$(STATION) fleet $(call option,STORE,store) $(call option,NODE,node) $(call flag,ONCE,once) $(call flag,JSON,json) $(call option,EVERY,every)

alarms: packages ## tell somebody when something goes wrong with a node (TELL='program arguments' or POST=https://…; STORE=readings.sqlite, AN_HOUR=12, EVERY=60, STATE=file, ONCE=1, TEST=1)
	@$(STATION) alarms $(call option,STORE,store) $(call option,TELL,tell) $(call option,POST,post) $(call option,AN_HOUR,an-hour) \
	  $(call option,EVERY,every) $(call option,STATE,state) $(call flag,ONCE,once) $(call flag,TEST,test)

export: packages ## write readings as CSV or Parquet (OUT=file.csv or file.parquet; STORE=readings.sqlite, NODE=, CHANNEL=, FROM=2026-11-30, TO=, HOURLY=1)
	@$(STATION) export $(call option,STORE,store) $(call option,OUT,out) $(call option,NODE,node) $(call option,CHANNEL,channel) \
	  $(call option,FROM,from) $(call option,TO,to) $(call flag,HOURLY,hourly)

tidy: packages ## remove readings that are older than KEEP_DAYS=365; their hourly means stay (STORE=readings.sqlite, DRY=1, SHRINK=1)
	@$(STATION) tidy $(call option,STORE,store) $(call option,KEEP_DAYS,keep-days) $(call flag,DRY,dry-run) $(call flag,SHRINK,shrink)

fleet-sim: ready ## many nodes with a real broker, collector and store: what these hold, and whether all arrives (NODES=1000, SECONDS=90, PACE=1, BOARDS=0, CALM=1, OUT=file, JSON=1; RECORD=1: anew what the nodes say)
	@$(STATION) fleet-sim $(call option,NODES,nodes) $(call option,SECONDS,seconds) $(call option,PACE,pace) $(call option,BOARDS,boards) \
	  $(call flag,CALM,calm) $(call option,OUT,out) $(call flag,JSON,json) $(call flag,RECORD,record)

cluster: ready ## three NATS servers here that keep every message three times, and the proof that one may die (QOS=1|2, FAULTS=kill,partition,restart, SECONDS=)
	@$(STATION) cluster $(call option,QOS,qos) $(call option,FAULTS,faults) $(call option,SECONDS,seconds)

bench-collect: ready ## how many readings a second the collector stores, beside plain inserts or COPY (STORE=sqlite|postgresql|timescaledb, COUNT=readings, NODES=; JSON=1)
	@$(STATION) bench $(call option,STORE,store) $(call option,COUNT,count) $(call option,NODES,nodes) $(call flag,JSON,json)

logs: packages ## show what a board prints (PORT=, SECONDS=20 stops it)
	@$(TOOLS) logs $(call option,PORT,port) $(call option,SECONDS,seconds)

repl: packages ## open a board's REPL (PORT=)
	@$(TOOLS) repl $(call option,PORT,port)

lock: ready ## lock the Python packages anew: requirements.in -> requirements.txt
	@$(VENV) -m pip install --quiet uv
	@$(VENV) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --no-emit-index-url --upgrade requirements.in --output-file requirements.txt

clean: ## remove what was built or simulated
	rm -rf .build .sim .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find boot.py main.py emulator firmware lib sim station tools tests -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## remove what the set-up brought, too
	rm -rf .venv .toolchain lib/umqtt lib/microdot
