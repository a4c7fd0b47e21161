package dev.sluice.api.docker;

/** The engine cannot be asked, or does not answer what its API says; one sentence. */
final class EngineException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  EngineException(String message, Throwable cause) {
    super(message, cause);
  }

  EngineException(String message) {
    super(message);
  }
}
