package dev.sluice.model;

/** A mapping that cannot be, whoever asks for it; the message says why in one sentence. */
public final class InvalidMappingException extends IllegalArgumentException {
  /** Reports why the mapping cannot be, in one sentence without a full stop. */
  public InvalidMappingException(String problem) {
    super(problem);
  }
}
