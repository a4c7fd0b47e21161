package dev.sluice.model;

import java.util.Locale;
import java.util.Optional;

/**
 * The state of a TCP flow as an observer in the middle sees it.
 *
 * <p>The constants stand in the order of {@code enum tcp_conntrack} in {@code
 * linux/netfilter/nf_conntrack_tcp.h}, the first with number 0.
 */
public enum TcpState {
  /** No packet yet. */
  NONE,
  /** The client sent SYN. */
  SYN_SENT,
  /** The server answered SYN with SYN+ACK. */
  SYN_RECV,
  /** The client acknowledged it. */
  ESTABLISHED,
  /** One side sent FIN. */
  FIN_WAIT,
  /** The FIN was acknowledged, the other direction is still open. */
  CLOSE_WAIT,
  /** Both sides sent FIN. */
  LAST_ACK,
  /** The last FIN was acknowledged. */
  TIME_WAIT,
  /** One side sent RST. */
  CLOSE,
  /** Both sides sent SYN at the same time. */
  SYN_SENT2;

  private static final TcpState[] BY_NUMBER = values();

  /** The state with this number, empty if there is none. */
  public static Optional<TcpState> ofNumber(int number) {
    return number >= 0 && number < BY_NUMBER.length
        ? Optional.of(BY_NUMBER[number])
        : Optional.empty();
  }

  /** The lower-case name in output: {@code syn_sent}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
