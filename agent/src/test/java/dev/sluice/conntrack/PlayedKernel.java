package dev.sluice.conntrack;

import dev.sluice.ffi.NativeBuffer;
import dev.sluice.netlink.NetlinkTransport;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.function.Function;
import jnr.ffi.Pointer;
import jnr.ffi.Runtime;

/**
 * Plays the kernel: each request is answered by a function that returns messages, to which the
 * request's sequence number is given.
 */
final class PlayedKernel implements NetlinkTransport {
  private static final int SEQUENCE_OFFSET = 8;

  private final Function<byte[], List<byte[]>> answers;
  private final Deque<byte[]> waiting = new ArrayDeque<>();
  final List<byte[]> requests = new ArrayList<>();

  PlayedKernel(Function<byte[], List<byte[]>> answers) {
    this.answers = answers;
  }

  @Override
  public int portId() {
    return 1;
  }

  @Override
  public void send(long address, int length, String operation) {
    byte[] request = new byte[length];
    Pointer.wrap(Runtime.getSystemRuntime(), address, length).get(0, request, 0, length);
    requests.add(request);
    int sequence = wrap(request).getInt(SEQUENCE_OFFSET);
    for (byte[] answer : answers.apply(request)) {
      byte[] copy = answer.clone();
      wrap(copy).putInt(SEQUENCE_OFFSET, sequence);
      waiting.add(copy);
    }
  }

  @Override
  public int receive(NativeBuffer buffer, int timeoutMillis) {
    byte[] next = waiting.poll();
    if (next == null) {
      return NOTHING;
    }
    buffer.bytes().put(0, next);
    return next.length;
  }

  @Override
  public void close() {}

  /** NLMSG_DONE or NLMSG_ERROR with this result, 0 or a negative errno. */
  static byte[] result(int type, int result) {
    ByteBuffer message =
        ByteBuffer.allocate(type == dev.sluice.netlink.LinuxNetlink.NLMSG_DONE ? 20 : 36)
            .order(ByteOrder.nativeOrder());
    message.putInt(message.capacity()).putShort((short) type).putShort((short) 0);
    message.putInt(0).putInt(0).putInt(result);
    return message.array();
  }

  static ByteBuffer wrap(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
  }
}
