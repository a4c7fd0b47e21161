package dev.sluice.cli;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.api.Problem;

/** What {@code sluice} exits with; scripts depend on these numbers. */
final class ExitCode {
  static final int OK = 0;
  static final int FAILED = 1;
  static final int USAGE = 2;
  static final int AGENT_NOT_REACHABLE = 3;
  static final int CONFLICT = 4;
  static final int NOT_FOUND = 5;
  static final int NOT_PERMITTED = 6;

  private ExitCode() {}

  static int of(Problem problem) {
    return switch (problem.kind()) {
      case MALFORMED_REQUEST, MALFORMED_VALUE, INVALID, TOO_LARGE -> USAGE;
      case NOT_PERMITTED -> NOT_PERMITTED;
      case NOT_FOUND -> NOT_FOUND;
      case CONFLICT -> CONFLICT;
      case METHOD_NOT_ALLOWED,
          OTHER_STREAM,
          UNSUPPORTED_MEDIA_TYPE,
          HEADERS_TOO_LARGE,
          INTERNAL,
          UNAVAILABLE,
          TOO_MANY_CONNECTIONS,
          UNSUPPORTED_VERSION ->
          FAILED;
    };
  }

  static int of(AgentUnreachableException e) {
    return e.reason() == AgentUnreachableException.Reason.NOT_PERMITTED
        ? NOT_PERMITTED
        : AGENT_NOT_REACHABLE;
  }
}
