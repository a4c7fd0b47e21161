package dev.sluice.netlink;

import java.nio.ByteBuffer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The debug switch: prints every message when {@code SLUICE_DEBUG} contains "netlink" or the logger
 * is at DEBUG.
 */
final class WireLog {
  private static final Logger LOG = LoggerFactory.getLogger("dev.sluice.netlink.wire");
  private static final boolean FORCED =
      String.valueOf(System.getenv("SLUICE_DEBUG")).contains("netlink");

  private WireLog() {}

  static boolean enabled() {
    return FORCED || LOG.isDebugEnabled();
  }

  static void log(boolean sent, int portId, ByteBuffer bytes, int length, MessageSchema schema) {
    String text =
        (sent ? ">> port " : "<< port ")
            + Integer.toUnsignedString(portId)
            + ", "
            + length
            + " bytes\n"
            + MessagePrinter.print(bytes, 0, length, schema);
    if (FORCED) {
      LOG.info(text);
    } else {
      LOG.debug(text);
    }
  }
}
