package dev.sluice.net;

/** The special blocks an address is in, as one word to compare. */
final class KindOfAddress {
  private KindOfAddress() {}

  static String of(IpAddress address) {
    String kinds =
        (address.isAny() ? "any " : "")
            + (address.isLoopback() ? "loopback " : "")
            + (address.isLinkLocal() ? "linkLocal " : "")
            + (address.isMulticast() ? "multicast " : "");
    return kinds.isEmpty() ? "-" : kinds.strip();
  }
}
