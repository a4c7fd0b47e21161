package dev.sluice.daemon;

import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.api.Traces;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.TraceEvent;
import dev.sluice.model.TraceQuestion;
import dev.sluice.ruleset.trace.RunningTrace;
import dev.sluice.ruleset.trace.TraceRefusedException;
import dev.sluice.ruleset.trace.Tracer;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** Follows packets to ports that are published, or to others for who insists. */
final class AgentTraces implements Traces {
  private final Tracer tracer;
  private final Supplier<List<PublishedMapping>> published;

  AgentTraces(Tracer tracer, Supplier<List<PublishedMapping>> published) {
    this.tracer = tracer;
    this.published = published;
  }

  @Override
  public Trace start(TraceQuestion question, boolean unpublished) {
    if (!unpublished && !isPublished(question)) {
      throw refusal(
          Problem.Kind.NOT_FOUND,
          "port "
              + question.port()
              + "/"
              + question.protocol()
              + " is not published, see sluice ps; to follow packets to it anyway, add any=true"
              + " (--any)");
    }
    try {
      return follow(tracer.start(question));
    } catch (TraceRefusedException e) {
      throw refusal(
          switch (e.reason()) {
            case BUSY -> Problem.Kind.CONFLICT;
            case UNSUPPORTED -> Problem.Kind.UNAVAILABLE;
          },
          String.valueOf(e.getMessage()));
    }
  }

  private boolean isPublished(TraceQuestion question) {
    return published.get().stream()
        .map(PublishedMapping::mapping)
        .anyMatch(
            mapping ->
                mapping.protocol() == question.protocol()
                    && mapping.hostPorts().contains(question.port()));
  }

  private static ProblemException refusal(Problem.Kind kind, String detail) {
    return new ProblemException(Problem.of(kind, detail));
  }

  private static Trace follow(RunningTrace trace) {
    return new Trace() {
      @Override
      public Optional<TraceEvent> next(int timeoutMillis) throws InterruptedException {
        return trace.next(timeoutMillis);
      }

      @Override
      public void close() {
        trace.close();
      }
    };
  }
}
