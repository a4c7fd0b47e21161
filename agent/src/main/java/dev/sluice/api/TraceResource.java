package dev.sluice.api;

import dev.sluice.model.TraceEvent;
import dev.sluice.model.TraceQuestion;
import dev.sluice.net.IpAddress;
import dev.sluice.net.Port;
import dev.sluice.net.Protocol;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.HttpException;
import org.apache.hc.core5.http.io.entity.EntityTemplate;
import org.apache.hc.core5.http.message.BasicClassicHttpResponse;

/** {@code /v1/trace}: one line of JSON for each packet, while somebody reads them. */
final class TraceResource {
  private static final ContentType NDJSON =
      ContentType.create("application/x-ndjson", StandardCharsets.UTF_8);

  /** How soon it is noticed that the client has left. */
  private static final int CHECK_MILLIS = 200;

  private final Traces traces;
  private final ApiOptions options;
  private final ConnectionLimits limits;

  TraceResource(Traces traces, ApiOptions options, ConnectionLimits limits) {
    this.traces = traces;
    this.options = options;
    this.limits = limits;
  }

  void addTo(Router router) {
    router.add("/v1/trace", Map.of("GET", this::follow));
  }

  private void follow(Exchange exchange) throws HttpException, IOException {
    Query query = exchange.query("port", "protocol", "from", "rate", "count", "seconds", "any");
    TraceQuestion question = question(query);
    boolean unpublished = query.flag("any");
    if (!limits.admitStream()) {
      throw new ProblemException(
          Problem.Kind.TOO_MANY_CONNECTIONS,
          "there are already " + options.maxEventStreams() + " event streams; try again");
    }
    try (Traces.Trace trace = traces.start(question, unpublished)) {
      // Not before: a connection whose trace is refused goes on with other requests.
      exchange.connection().leaveLimits();
      exchange.connection().socket().setWriteTimeout(options.requestTimeoutMillis());
      BasicClassicHttpResponse response = new BasicClassicHttpResponse(200);
      response.setHeader("Connection", "close");
      response.setHeader("Cache-Control", "no-store");
      response.setEntity(
          new EntityTemplate(NDJSON, out -> copy(trace, out, exchange.connection())));
      exchange.submit(response);
    } finally {
      limits.releaseStream();
    }
  }

  private static TraceQuestion question(Query query) {
    String port =
        query
            .text("port")
            .orElseThrow(
                () ->
                    new ProblemException(
                        Problem.Kind.MALFORMED_REQUEST,
                        "parameter \"port\" is missing: the host port, as in /v1/trace?port=8080"));
    return new TraceQuestion(
        query.text("protocol").map(Protocol::parse).orElse(Protocol.TCP),
        Port.parse(port),
        query.text("from").map(IpAddress::parse),
        query.number("rate").orElse(TraceQuestion.DEFAULT_PACKETS_PER_SECOND),
        query.number("count").orElse(TraceQuestion.DEFAULT_PACKETS),
        query.number("seconds").orElse(TraceQuestion.DEFAULT_SECONDS));
  }

  private static void copy(Traces.Trace trace, OutputStream out, ApiConnection connection)
      throws IOException {
    try {
      while (!connection.socket().peerHasLeft()) {
        Optional<TraceEvent> event = trace.next(CHECK_MILLIS);
        if (event.isPresent()) {
          out.write(ApiJson.bytes(json -> TraceJson.write(json, event.get())));
          out.flush();
          if (event.get() instanceof TraceEvent.Ended) {
            return;
          }
        }
      }
    } catch (InterruptedException e) {
      // The server is closing; the stream ends here as it would anywhere.
      Thread.currentThread().interrupt();
    }
  }
}
