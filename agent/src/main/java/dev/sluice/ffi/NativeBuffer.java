package dev.sluice.ffi;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Memory that C can read and write: a direct buffer in native byte order together with its address.
 * It lives as long as this object is reachable; hand the address to C only while holding on to the
 * buffer.
 */
public final class NativeBuffer {
  private final ByteBuffer bytes;
  private final long address;

  private NativeBuffer(ByteBuffer bytes) {
    this.bytes = bytes;
    this.address = Sys.addressOf(bytes);
  }

  public static NativeBuffer allocate(int capacityBytes) {
    return new NativeBuffer(
        ByteBuffer.allocateDirect(capacityBytes).order(ByteOrder.nativeOrder()));
  }

  /** Memory whose address is a multiple of {@code alignmentBytes} (a power of two). */
  public static NativeBuffer allocateAligned(int capacityBytes, int alignmentBytes) {
    ByteBuffer raw = ByteBuffer.allocateDirect(capacityBytes + alignmentBytes);
    ByteBuffer aligned = raw.alignedSlice(alignmentBytes).limit(capacityBytes).slice();
    return new NativeBuffer(aligned.order(ByteOrder.nativeOrder()));
  }

  /** The memory; use absolute access, position and limit carry no meaning. */
  public ByteBuffer bytes() {
    return bytes;
  }

  public long address() {
    return address;
  }

  public int capacity() {
    return bytes.capacity();
  }
}
