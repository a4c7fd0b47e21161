package dev.sluice.api.cni;

/** What a runtime can ask of a plugin; VERSION is answered by the client alone. */
enum CniVerb {
  ADD(CniVersion.V0_3_0),
  DEL(CniVersion.V0_3_0),
  CHECK(CniVersion.V0_4_0),
  GC(CniVersion.V1_1_0),
  STATUS(CniVersion.V1_1_0);

  private final CniVersion since;

  CniVerb(CniVersion since) {
    this.since = since;
  }

  /**
   * Reads {@code CNI_COMMAND}.
   *
   * @throws CniException if it is none of these
   */
  static CniVerb parse(String text) {
    for (CniVerb verb : values()) {
      if (verb.name().equals(text)) {
        return verb;
      }
    }
    throw CniException.of(
        CniException.Code.INVALID_ENVIRONMENT,
        "CNI_COMMAND must be ADD, DEL, CHECK, GC, STATUS or VERSION, not "
            + CniException.quoted(text));
  }

  /**
   * Refuses versions that do not have it.
   *
   * @throws CniException if it came later
   */
  void checkIsIn(CniVersion version) {
    if (!version.isAtLeast(since)) {
      throw CniException.of(
          CniException.Code.INCOMPATIBLE_VERSION,
          "the configuration is written in version "
              + version
              + " of CNI, and "
              + this
              + " came with "
              + since);
    }
  }

  /** Whether it is about one container, and not about all of a network. */
  boolean isOfOneAttachment() {
    return this != GC && this != STATUS;
  }
}
