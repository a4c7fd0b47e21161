package dev.sluice.api.cni;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * The versions of the specification that are spoken, in the order in which they came. The client,
 * {@code native/src/cni.c}, tells the same ones.
 */
enum CniVersion {
  V0_3_0("0.3.0"),
  V0_3_1("0.3.1"),
  /** Brought CHECK. */
  V0_4_0("0.4.0"),
  /** An address no longer says of which family it is. */
  V1_0_0("1.0.0"),
  /** Brought GC and STATUS, and more about interfaces and routes. */
  V1_1_0("1.1.0");

  /** What an error is written in when nobody said. */
  static final CniVersion NEWEST = V1_1_0;

  private final String text;

  CniVersion(String text) {
    this.text = text;
  }

  /**
   * Reads the version of a configuration.
   *
   * @throws CniException if it is none of these
   */
  static CniVersion parse(String text) {
    for (CniVersion version : values()) {
      if (version.text.equals(text)) {
        return version;
      }
    }
    throw new CniException(
        CniException.Code.INCOMPATIBLE_VERSION,
        "incompatible CNI versions",
        "the configuration is written in "
            + (text.isEmpty() ? "none" : CniException.quoted(text))
            + ", the plugin speaks "
            + Arrays.stream(values()).map(CniVersion::toString).collect(Collectors.joining(", ")));
  }

  boolean isAtLeast(CniVersion other) {
    return compareTo(other) >= 0;
  }

  /** As in {@code cniVersion}. */
  @Override
  public String toString() {
    return text;
  }
}
