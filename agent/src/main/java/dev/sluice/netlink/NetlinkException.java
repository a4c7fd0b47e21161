package dev.sluice.netlink;

import dev.sluice.ffi.Errno;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The kernel refused a request. The message names what was asked, the error, the kernel's own words
 * (extended ACK) and the path of the attribute it complains about, as far as the kernel told.
 */
public final class NetlinkException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** {@link #messageIndex} when the failing message cannot be told. */
  public static final int NO_INDEX = -1;

  private final String operation;
  private final int errno;
  private final @Nullable String kernelMessage;
  private final @Nullable String attributePath;
  private final int messageIndex;

  public NetlinkException(
      String operation,
      int errno,
      @Nullable String kernelMessage,
      @Nullable String attributePath,
      int messageIndex) {
    super(text(operation, errno, kernelMessage, attributePath));
    this.operation = operation;
    this.errno = errno;
    this.kernelMessage = kernelMessage;
    this.attributePath = attributePath;
    this.messageIndex = messageIndex;
  }

  private static String text(
      String operation, int errno, @Nullable String kernelMessage, @Nullable String attributePath) {
    StringBuilder text = new StringBuilder("cannot ").append(operation).append(": ");
    text.append(Errno.describe(errno));
    if (kernelMessage != null) {
      text.append(", the kernel says: ").append(kernelMessage);
    }
    if (attributePath != null) {
      text.append(", at ").append(attributePath);
    }
    return text.toString();
  }

  /** What was asked, as it reads after "cannot". */
  public String operation() {
    return operation;
  }

  /** The positive error number. */
  public int errno() {
    return errno;
  }

  /** NLMSGERR_ATTR_MSG. */
  public Optional<String> kernelMessage() {
    return Optional.ofNullable(kernelMessage);
  }

  /** For instance {@code NFT_MSG_NEWRULE/NFTA_RULE_CHAIN}. */
  public Optional<String> attributePath() {
    return Optional.ofNullable(attributePath);
  }

  /**
   * Which message of the batch failed, counted from 0 at its first message; {@link #NO_INDEX} if
   * unknown.
   */
  public int messageIndex() {
    return messageIndex;
  }
}
