package dev.sluice.api.docker;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.api.ApiJson;
import dev.sluice.api.Problem;
import dev.sluice.api.docker.DriverCalls.Answer;
import dev.sluice.api.docker.JsonObject.MalformedJsonException;
import dev.sluice.model.InvalidMappingException;
import dev.sluice.model.InvalidNetworkException;
import dev.sluice.net.MalformedValueException;
import dev.sluice.network.NetworkException;
import dev.sluice.publish.PublishException;
import java.io.IOException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.LongAdder;
import org.apache.hc.core5.http.ClassicHttpRequest;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.HttpEntity;
import org.apache.hc.core5.http.HttpException;
import org.apache.hc.core5.http.HttpStatus;
import org.apache.hc.core5.http.io.HttpServerRequestHandler;
import org.apache.hc.core5.http.io.entity.ByteArrayEntity;
import org.apache.hc.core5.http.message.BasicClassicHttpResponse;
import org.apache.hc.core5.http.protocol.HttpContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JsonGenerator;

/**
 * Docker's plugin protocol: every call is a POST of a JSON object to a path that is the call's
 * name, answered by another, which has a sentence in {@code Err} if it was refused; Docker shows
 * that to who asked. Thread-safe.
 */
final class DriverHandler implements HttpServerRequestHandler {
  private static final Logger LOG = LoggerFactory.getLogger(DriverHandler.class);

  private static final ContentType PLUGIN_JSON =
      ContentType.create("application/vnd.docker.plugins.v1.2+json");

  /** A thousand ports of a container are 100 KiB, three times. */
  static final int MAX_BODY_BYTES = 8 << 20;

  /** What one call does. */
  private interface Call {
    Answer make(JsonObject request, byte[] body);
  }

  /** How often a call was made. */
  private static final class Count {
    private final LongAdder made = new LongAdder();
    private final LongAdder refused = new LongAdder();

    DriverStatistics.Calls read() {
      return new DriverStatistics.Calls(made.sum(), refused.sum());
    }
  }

  private final Map<String, Call> calls;
  private final Map<String, Count> counts = new HashMap<>();
  private final LongAdder turnedAway = new LongAdder();
  private volatile String lastRefusal = "";

  DriverHandler(DriverCalls driver) {
    Call done = (request, body) -> DriverCalls.DONE;
    calls =
        Map.ofEntries(
            Map.entry("/Plugin.Activate", (request, body) -> DriverHandler::implementsDriver),
            Map.entry("/NetworkDriver.GetCapabilities", (request, body) -> DriverHandler::local),
            Map.entry("/NetworkDriver.CreateNetwork", driver::createNetwork),
            call("/NetworkDriver.DeleteNetwork", driver::deleteNetwork),
            call("/NetworkDriver.CreateEndpoint", driver::createEndpoint),
            call("/NetworkDriver.DeleteEndpoint", driver::deleteEndpoint),
            call("/NetworkDriver.EndpointOperInfo", driver::endpointOperInfo),
            call("/NetworkDriver.Join", driver::join),
            call("/NetworkDriver.Leave", driver::revokeExternalConnectivity),
            call("/NetworkDriver.ProgramExternalConnectivity", driver::programExternalConnectivity),
            call("/NetworkDriver.RevokeExternalConnectivity", driver::revokeExternalConnectivity),
            Map.entry("/NetworkDriver.DiscoverNew", done),
            Map.entry("/NetworkDriver.DiscoverDelete", done));
    calls.keySet().forEach(path -> counts.put(path, new Count()));
  }

  private interface PlainCall {
    Answer make(JsonObject request);
  }

  private static Map.Entry<String, Call> call(String path, PlainCall call) {
    return Map.entry(path, (request, body) -> call.make(request));
  }

  private static void implementsDriver(JsonGenerator json) {
    json.writeArrayPropertyStart("Implements");
    json.writeString("NetworkDriver");
    json.writeEndArray();
  }

  /** Networks are this host's alone. */
  private static void local(JsonGenerator json) {
    json.writeStringProperty("Scope", "local");
    json.writeStringProperty("ConnectivityScope", "local");
  }

  /** What was asked so far. */
  DriverStatistics statistics() {
    Map<String, DriverStatistics.Calls> all = new HashMap<>();
    counts.forEach((path, count) -> all.put(path.substring(path.indexOf('.') + 1), count.read()));
    return new DriverStatistics(all, turnedAway.sum());
  }

  /** What is answered to who may not ask. */
  BasicClassicHttpResponse turnAway(Problem problem) {
    turnedAway.increment();
    return response(problem.kind().status(), refusal(problem.detail()));
  }

  /** The last sentence Docker was refused with; empty if it never was. */
  String lastRefusal() {
    return lastRefusal;
  }

  @Override
  public void handle(ClassicHttpRequest request, ResponseTrigger trigger, HttpContext context)
      throws HttpException, IOException {
    byte[] body = body(request);
    Optional<Answer> answer =
        request.getMethod().equals("POST") ? answer(request.getPath(), body) : Optional.empty();
    if (body.length > MAX_BODY_BYTES) {
      submit(
          trigger,
          HttpStatus.SC_REQUEST_TOO_LONG,
          refusal("the request is larger than " + MAX_BODY_BYTES + " bytes"));
    } else if (answer.isEmpty()) {
      // Docker goes on without a call that a driver does not have.
      submit(
          trigger,
          HttpStatus.SC_NOT_FOUND,
          refusal(
              "the network driver of sluice has no call "
                  + quote(request.getMethod() + " " + request.getPath())));
    } else {
      submit(trigger, HttpStatus.SC_OK, answer.get());
    }
  }

  /** Carries out a call; empty if there is none of this name. */
  Optional<Answer> answer(String path, byte[] body) {
    Call call = calls.get(path);
    return call == null || body.length > MAX_BODY_BYTES
        ? Optional.empty()
        : Optional.of(make(path, call, body));
  }

  private Answer make(String path, Call call, byte[] body) {
    Count count = Objects.requireNonNull(counts.get(path));
    count.made.increment();
    long startNanos = System.nanoTime();
    try {
      // Activation has no body.
      JsonObject request = body.length == 0 ? JsonObject.EMPTY : JsonObject.read(body);
      Answer answer = call.make(request, body);
      LOG.debug("{} took {} µs", path, (System.nanoTime() - startNanos) / 1_000);
      return answer;
    } catch (MalformedJsonException
        | MalformedValueException
        | InvalidMappingException
        | InvalidNetworkException
        | NetworkException
        | PublishException e) {
      count.refused.increment();
      LOG.info("{} was refused: {}", path, e.getMessage());
      return refusal(String.valueOf(e.getMessage()));
    } catch (RuntimeException e) {
      count.refused.increment();
      String reference = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
      LOG.error("{} failed, reference {}", path, reference, e);
      return refusal(
          "sluice failed to handle the request; its log says why under reference " + reference);
    }
  }

  private Answer refusal(String sentence) {
    lastRefusal = sentence;
    return json -> json.writeStringProperty("Err", sentence);
  }

  /** One byte more than is allowed, if there are more. */
  private static byte[] body(ClassicHttpRequest request) throws IOException {
    HttpEntity entity = request.getEntity();
    return entity == null ? new byte[0] : entity.getContent().readNBytes(MAX_BODY_BYTES + 1);
  }

  private static void submit(ResponseTrigger trigger, int status, Answer answer)
      throws HttpException, IOException {
    BasicClassicHttpResponse response = response(status, answer);
    if (status == HttpStatus.SC_REQUEST_TOO_LONG) {
      response.setHeader("Connection", "close"); // the rest is not read
    }
    trigger.submitResponse(response);
  }

  private static BasicClassicHttpResponse response(int status, Answer answer) {
    byte[] document =
        ApiJson.bytes(
            json -> {
              json.writeStartObject();
              answer.accept(json);
              json.writeEndObject();
            });
    BasicClassicHttpResponse response = new BasicClassicHttpResponse(status);
    response.setEntity(new ByteArrayEntity(document, PLUGIN_JSON));
    return response;
  }
}
