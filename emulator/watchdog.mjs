// Resets of the chip: by its watchdog, or by the firmware through it. What survives one is what the data sheet says: the
// reason and the scratch registers (4.7).

const WATCHDOG = 0x40058;

// Have `reset(kept)` called when the chip resets itself; `kept` goes to `restore` of the next one. It is called in the middle of an
// instruction: the caller stops after it.
export function watch(mcu, reset) {
  const watchdog = mcu.peripherals[WATCHDOG];
  watchdog.onWatchdogTrigger = () => {
    watchdog.timer.enable = false; // else it goes on counting, and triggers without end
    watchdog.alarm.enable = false;
    reset({ reason: watchdog.reason, scratch: Uint32Array.from(watchdog.scratchData) });
  };
}

export function restore(mcu, kept) {
  const watchdog = mcu.peripherals[WATCHDOG];
  watchdog.reason = kept.reason;
  watchdog.scratchData.set(kept.scratch);
}
