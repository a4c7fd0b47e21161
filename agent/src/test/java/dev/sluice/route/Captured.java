package dev.sluice.route;

import dev.sluice.netlink.MessageCursor;
import dev.sluice.netlink.MessageWriter;
import dev.sluice.testing.Golden;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** What the tests of the wire need of the captures of real {@code ip} and {@code bridge}. */
final class Captured {
  private static final int TYPE_OFFSET = 4;
  private static final int SEQUENCE_OFFSET = 8;

  private Captured() {}

  /**
   * The last request of a type in a capture, without its sequence number and port: {@code ip} looks
   * up the link first. Dumps are followed by zeros in their datagram, which are cut off.
   */
  static byte[] request(String name, int type) {
    byte[] found = null;
    for (byte[] datagram : Golden.load("route/" + name).sent()) {
      ByteBuffer bytes = nativeOrder(datagram);
      if ((bytes.getShort(TYPE_OFFSET) & 0xffff) == type) {
        found = withoutIdentity(Arrays.copyOf(datagram, bytes.getInt(0)));
      }
    }
    if (found == null) {
      throw new IllegalArgumentException("route/" + name + " holds no request of type " + type);
    }
    return found;
  }

  /** What we would send, likewise. */
  static byte[] bytes(MessageWriter request) {
    return withoutIdentity(request.toByteArray());
  }

  /** What a decoder makes of all messages of a type that were received, in order. */
  static <T> List<T> replies(String name, int type, Function<MessageCursor, Optional<T>> decoder) {
    List<T> decoded = new ArrayList<>();
    for (byte[] datagram : Golden.load("route/" + name).received()) {
      MessageCursor message = new MessageCursor(nativeOrder(datagram), 0, datagram.length);
      while (message.next()) {
        if (message.type() == type) {
          decoder.apply(message).ifPresent(decoded::add);
        }
      }
    }
    return decoded;
  }

  static ByteBuffer nativeOrder(byte[] bytes) {
    return ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
  }

  private static byte[] withoutIdentity(byte[] message) {
    nativeOrder(message).putInt(SEQUENCE_OFFSET, 0).putInt(SEQUENCE_OFFSET + 4, 0);
    return message;
  }
}
