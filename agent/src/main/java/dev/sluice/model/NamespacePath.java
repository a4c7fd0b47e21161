package dev.sluice.model;

/**
 * Where a network namespace was found, and which one it was.
 *
 * @param path a file that stands for it, such as {@code /run/netns/web} or {@code /proc/42/ns/net}
 * @param cookie the kernel's number for it, never given to another while the host runs (socket(7),
 *     SO_NETNS_COOKIE); numbers of files are given again
 */
public record NamespacePath(String path, long cookie) {
  /**
   * Checks the path.
   *
   * @throws InvalidNetworkException if it is no absolute path of one line
   */
  public NamespacePath {
    check(path);
  }

  /** Throws if the text is no absolute path of one line. */
  static void check(String path) {
    if (path.isEmpty() || path.charAt(0) != '/' || path.chars().anyMatch(Character::isISOControl)) {
      throw new InvalidNetworkException(
          "the network namespace must be given as the absolute path of a file, such as"
              + " /run/netns/web or /proc/42/ns/net");
    }
  }
}
