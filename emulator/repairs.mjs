// Where rp2040js differs from the chip so that firmware notices; mended from outside on each new chip.

const GPIOPinState = { High: 1, InputPullUp: 3 }; // rp2040js's
const UART_TX_INTERRUPT = 1 << 5;

export function repair(mcu) {
  // Its transmitter asks for more again the moment the firmware silenced it, and the core would do nothing else. Bytes leave at
  // once, so the firmware never has to be asked.
  for (const uart of mcu.uart) {
    uart.checkInterrupts = () => {
      uart.interruptStatus &= ~UART_TX_INTERRUPT;
      mcu.setInterrupt(uart.irq, !!(uart.interruptStatus & uart.interruptMask));
    };
  }
}

// Pins that nothing is joined to are what the board itself makes of them, by its pull-ups and its outputs; in rp2040js they are low.
export function freePins(mcu) {
  for (const pin of mcu.gpio)
    pin.addListener((state) => pin.setInputValue(state === GPIOPinState.High || state === GPIOPinState.InputPullUp));
}
