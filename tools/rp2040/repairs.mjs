// Where rp2040js differs from the chip so that firmware notices; mended from outside on each new chip.

const UART_TX_INTERRUPT = 1 << 5;

export function repair(mcu) {
  // Its transmitter asks for more again the moment it was told to be quiet, and the core would do nothing else. Bytes leave at
  // once, so the firmware never has to be asked.
  for (const uart of mcu.uart) {
    uart.checkInterrupts = () => {
      uart.interruptStatus &= ~UART_TX_INTERRUPT;
      mcu.setInterrupt(uart.irq, !!(uart.interruptStatus & uart.interruptMask));
    };
  }
}
