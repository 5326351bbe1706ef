// A sensor that talks without end on UART1: so many bytes as the argument says, one right after the other, then as long a silence.

const LISTEN_NS = 1e6;

export function attach(mcu, argument) {
  const uart = mcu.uart[1];
  const burst = Number(argument);
  let sent = 0;
  const alarm = mcu.clock.createAlarm(() => {
    if (!uart.enabled || !uart.baudDivider) return alarm.schedule(LISTEN_NS);
    const byte = (10 * 1e9) / uart.baudRate;
    if (!uart.rxFIFO.full) uart.feedByte(sent & 0xff);
    alarm.schedule(++sent % burst ? byte : byte * burst);
  });
  alarm.schedule(LISTEN_NS);
  return () => alarm.cancel();
}
