package dev.sluice.api;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.api.cni.CniAnswer;
import dev.sluice.flow.AttributedFlow;
import dev.sluice.flow.EventStream;
import dev.sluice.flow.FlowFilter;
import dev.sluice.flow.export.FlowJson;
import dev.sluice.model.Activity;
import dev.sluice.model.DrainTime;
import dev.sluice.model.InvalidMappingException;
import dev.sluice.model.InvalidNetworkException;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.PathQuestion;
import dev.sluice.model.PathReport;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Traffic;
import dev.sluice.model.UpdateRequest;
import dev.sluice.net.MalformedValueException;
import dev.sluice.network.NetworkException;
import dev.sluice.publish.PublishException;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.hc.core5.http.ClassicHttpRequest;
import org.apache.hc.core5.http.ClassicHttpResponse;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.Header;
import org.apache.hc.core5.http.HttpException;
import org.apache.hc.core5.http.RequestHeaderFieldsTooLargeException;
import org.apache.hc.core5.http.UnsupportedHttpVersionException;
import org.apache.hc.core5.http.impl.HttpProcessors;
import org.apache.hc.core5.http.impl.io.HttpService;
import org.apache.hc.core5.http.io.HttpServerRequestHandler;
import org.apache.hc.core5.http.io.entity.EntityTemplate;
import org.apache.hc.core5.http.message.BasicClassicHttpResponse;
import org.apache.hc.core5.http.protocol.HttpContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JsonGenerator;

/** What is at which path, and how every refusal becomes a problem document. Thread-safe. */
final class ApiHandler implements HttpServerRequestHandler {
  private static final Logger LOG = LoggerFactory.getLogger(ApiHandler.class);

  private static final ContentType JSON = ContentType.APPLICATION_JSON;
  private static final ContentType FRAMES = ContentType.create(ApiClient.FRAMES_TYPE);

  private static final ContentType NDJSON =
      ContentType.create("application/x-ndjson", StandardCharsets.UTF_8);
  private static final ContentType TEXT = ContentType.create("text/plain", StandardCharsets.UTF_8);

  /** Of an answer that is an error in the words of CNI, native/src/cni.c. */
  private static final int CNI_ERROR_STATUS = 422;

  /** As above; the client keeps the call for us. */
  private static final int CNI_LATER_STATUS = 503;

  /** How soon the thread of an event stream notices that its client has left. */
  private static final int STREAM_CHECK_MILLIS = 500;

  private static final int STREAM_BUFFER_BYTES = 64 * 1024;

  /** What {@link Access#EVENTS} opens; all of it can only be read. */
  private static final Set<String> FOR_EVENTS =
      Set.of("/v1/events", "/v1/flows", "/metrics", "/healthz");

  /** How much of the API is served. */
  enum Access {
    /** Everything. */
    FULL,
    /** What consumers of events need; nothing can be changed. */
    EVENTS
  }

  private final ApiServices services;
  private final ApiOptions options;
  private final ConnectionLimits limits;
  private final Access access;
  private final Router router = new Router();
  private final HttpService service = new Service(this);

  ApiHandler(ApiServices services, ApiOptions options, ConnectionLimits limits, Access access) {
    this.services = services;
    this.options = options;
    this.limits = limits;
    this.access = access;
    router
        .add("/v1/flows", Map.of("GET", this::listFlows))
        .add("/v1/events", Map.of("GET", this::followEvents))
        .add("/metrics", Map.of("GET", this::metrics))
        .add("/healthz", Map.of("GET", this::health));
    if (access == Access.FULL) {
      router
          .add("/v1/mappings", Map.of("GET", this::listMappings, "POST", this::publish))
          .add(
              "/v1/mappings/{}",
              Map.of("GET", this::findMapping, "PATCH", this::update, "DELETE", this::unpublish))
          .add("/v1/declared", Map.of("PUT", this::declare))
          .add("/v1/ruleset", Map.of("GET", this::printRules))
          .add("/v1/explain", Map.of("GET", this::explain))
          .add("/v1/statistics", Map.of("GET", this::statistics))
          .add("/v1/version", Map.of("GET", this::version))
          .add("/v1/doctor", Map.of("GET", this::doctor))
          .add("/v1/cni", Map.of("POST", this::cni));
      new NetworkResources(services.networks(), services.publisher()).addTo(router);
      new TraceResource(services.traces(), options, limits).addTo(router);
    }
  }

  HttpService service() {
    return service;
  }

  @Override
  public void handle(ClassicHttpRequest request, ResponseTrigger trigger, HttpContext context)
      throws HttpException, IOException {
    Exchange exchange =
        new Exchange(
            request,
            trigger,
            (ApiConnection) context.getAttribute(ApiConnection.CONTEXT_KEY),
            options);
    try {
      route(exchange);
    } catch (ProblemException e) {
      exchange.answer(e.problem());
    } catch (MalformedValueException e) {
      exchange.answer(Problem.of(e));
    } catch (InvalidMappingException | InvalidNetworkException e) {
      exchange.answer(Problem.of(Problem.Kind.INVALID, String.valueOf(e.getMessage())));
    } catch (PublishException e) {
      exchange.answer(Problem.of(kind(e.kind()), String.valueOf(e.getMessage())));
    } catch (NetworkException e) {
      exchange.answer(Problem.of(NetworkResources.kind(e.kind()), String.valueOf(e.getMessage())));
    } catch (RuntimeException e) {
      String reference = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
      LOG.error(
          "request {} {} failed, reference {}",
          request.getMethod(),
          request.getRequestUri(),
          reference,
          e);
      if (exchange.answered()) {
        // Half an answer is out: only a broken connection tells the client that the rest is
        // missing.
        throw new IOException("failed while answering, reference " + reference, e);
      }
      exchange.answer(
          Problem.of(
              Problem.Kind.INTERNAL,
              "the agent failed to handle the request; its log says why under reference "
                  + reference));
    }
  }

  private void route(Exchange exchange) throws HttpException, IOException {
    String path = exchange.path();
    Router.Found found = router.find(path).orElseThrow(() -> nothingAt(path));
    exchange.keep(found.parts());
    Map<String, Router.Action> actions = found.actions();
    String allowed = String.join(", ", new TreeMap<>(actions).keySet()) + ", OPTIONS";
    String method = exchange.request().getMethod();
    if (method.equals("OPTIONS")) {
      BasicClassicHttpResponse response = new BasicClassicHttpResponse(204);
      response.setHeader("Allow", allowed);
      exchange.submit(response);
      return;
    }
    Router.Action action = actions.get(method);
    if (action == null) {
      BasicClassicHttpResponse response =
          Exchange.response(
              Problem.of(
                  Problem.Kind.METHOD_NOT_ALLOWED,
                  quote(method) + " is not possible at " + quote(path) + ", only " + allowed));
      response.setHeader("Allow", allowed);
      exchange.submit(response);
      return;
    }
    action.run(exchange);
  }

  private ProblemException nothingAt(String path) {
    return access == Access.EVENTS
        ? new ProblemException(
            Problem.Kind.NOT_PERMITTED,
            "this socket is for consumers of events and serves only "
                + String.join(", ", new TreeSet<>(FOR_EVENTS))
                + ", not "
                + quote(path)
                + "; the agent's other socket does")
        : new ProblemException(
            Problem.Kind.NOT_FOUND,
            "there is nothing at " + quote(path) + "; the API is described in docs/api.md");
  }

  private void listMappings(Exchange exchange) throws HttpException, IOException {
    boolean traffic = exchange.query("traffic").flag("traffic");
    var published = counted(traffic, services.publisher().published());
    exchange.stream(
        JSON, out -> ApiJson.stream(out, json -> MappingJson.writePublished(json, published)));
  }

  /** Traffic takes a walk through the table of connections, so only who asks pays for it. */
  private List<PublishedMapping> counted(boolean traffic, List<PublishedMapping> published) {
    Map<MappingId, Traffic> totals = traffic ? services.traffic().totals() : Map.of();
    Map<MappingId, Activity> activity = services.activity().get();
    List<PublishedMapping> counted = new ArrayList<>(published.size());
    for (PublishedMapping one : published) {
      MappingId id = one.mapping().id();
      MappingCounters counters = one.counters();
      if (traffic) {
        counters = counters.withTraffic(totals.getOrDefault(id, Traffic.NONE));
      }
      Activity seen = activity.get(id);
      counted.add(
          new PublishedMapping(one.mapping(), seen == null ? counters : counters.with(seen)));
    }
    return counted;
  }

  private void publish(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    List<Mapping> mappings =
        services.publisher().publish(PublishBody.read(exchange.body(), exchange.owner()));
    exchange.answer(201, json -> MappingJson.writeMappings(json, mappings));
  }

  private void findMapping(Exchange exchange) throws HttpException, IOException {
    boolean traffic = exchange.query("traffic").flag("traffic");
    var found = counted(traffic, services.publisher().find(exchange.part(0)));
    exchange.answer(200, json -> MappingJson.writePublished(json, found));
  }

  private void update(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    UpdateRequest request = UpdateBody.read(exchange.body(), exchange.part(0));
    List<Mapping> mappings = services.publisher().update(request);
    exchange.answer(200, json -> MappingJson.writeMappings(json, mappings));
  }

  private void unpublish(Exchange exchange) throws HttpException, IOException {
    Optional<DrainTime> drain = exchange.query("drain").drain("drain");
    String nameOrId = exchange.part(0);
    List<Mapping> removed =
        drain.isPresent()
            ? services.publisher().drain(nameOrId, drain.get())
            : services.publisher().unpublish(nameOrId);
    exchange.answer(200, json -> MappingJson.writeMappings(json, removed));
  }

  private void declare(Exchange exchange) throws HttpException, IOException {
    var query = exchange.query("dryRun", "prune");
    var declaration = DeclarationJson.read(exchange.body());
    boolean prune = query.flag("prune");
    var outcome =
        query.flag("dryRun")
            ? services.declarations().compare(declaration, prune)
            : services.declarations().apply(declaration, prune);
    exchange.stream(
        JSON, out -> ApiJson.stream(out, json -> DeclarationJson.writeOutcome(json, outcome)));
  }

  private void printRules(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    // Read before the answer begins, so that a failure can still be said.
    ProgrammedRules.Listing listing = services.rules().read();
    exchange.stream(
        TEXT,
        out -> {
          Writer text = new BufferedWriter(new OutputStreamWriter(out, StandardCharsets.UTF_8));
          listing.print(text);
          text.flush();
        });
  }

  private void explain(Exchange exchange) throws HttpException, IOException {
    PathQuestion question = exchange.query("port", "protocol", "from", "to").pathQuestion();
    PathReport report = services.paths().explain(question);
    exchange.stream(JSON, out -> ApiJson.stream(out, json -> PathJson.write(json, report)));
  }

  private void version(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    var facts = services.diagnostics().facts();
    exchange.answer(200, json -> DiagnosticsJson.writeFacts(json, facts));
  }

  private void statistics(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    HostStatistics statistics = services.statistics().get();
    exchange.answer(200, json -> StatisticsJson.write(json, statistics));
  }

  private void doctor(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    var findings = services.diagnostics().findings();
    exchange.answer(200, json -> DiagnosticsJson.writeFindings(json, findings));
  }

  private void cni(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    byte[] call = exchange.body();
    CniAnswer answer = services.cni().answer(call, exchange.connection().socket()::peerHasLeft);
    int error = answer.keepForLater() ? CNI_LATER_STATUS : CNI_ERROR_STATUS;
    exchange.answer(
        answer.succeeded() ? 200 : error, answer.body().getBytes(StandardCharsets.UTF_8));
  }

  private void health(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    exchange.answer(
        200,
        json -> {
          json.writeStartObject();
          json.writeStringProperty("status", "ok");
          json.writeEndObject();
        });
  }

  private void metrics(Exchange exchange) throws HttpException, IOException {
    exchange.query();
    Header accept = exchange.request().getFirstHeader("Accept");
    // Read before the answer begins, so that a failure can still be said.
    MetricsPage.Page page =
        services.metrics().read(Optional.ofNullable(accept).map(Header::getValue));
    exchange.stream(ContentType.parse(page.contentType()), page::write);
  }

  private void listFlows(Exchange exchange) throws HttpException, IOException {
    FlowFilter filter = exchange.query("mapping", "protocol", "address", "published").filter();
    exchange.stream(
        NDJSON,
        out ->
            ApiJson.stream(
                out, json -> services.flows().forEach(filter, flow -> writeFlow(json, flow))));
  }

  private static void writeFlow(JsonGenerator json, AttributedFlow flow) {
    FlowJson.write(json, flow.whole(), flow.mapping().map(Mapping::label), flow.carried());
  }

  private void followEvents(Exchange exchange) throws HttpException, IOException {
    Query query =
        exchange.query("mapping", "protocol", "address", "published", "kind", "from", "stream");
    FlowFilter filter = query.filter();
    query.text("stream").ifPresent(this::requireStream);
    OptionalLong from = query.sequence("from");
    boolean frames = exchange.accepts(FRAMES);
    if (!limits.admitStream()) {
      throw new ProblemException(
          Problem.Kind.TOO_MANY_CONNECTIONS,
          "there are already " + options.maxEventStreams() + " event streams; try again");
    }
    EventStream.Format format = frames ? EventStream.Format.FRAMES : EventStream.Format.LINES;
    try (EventStream.Cursor cursor = open(services.events(), from, filter, format)) {
      exchange.connection().leaveLimits();
      exchange.connection().socket().setWriteTimeout(options.streamTimeoutMillis());
      cursor.onEviction(exchange.connection().socket()::abort);
      BasicClassicHttpResponse response = new BasicClassicHttpResponse(200);
      response.setHeader("Connection", "close");
      response.setHeader("Cache-Control", "no-store");
      response.setHeader("Vary", "Accept");
      response.setHeader(ApiClient.STREAM_HEADER, services.events().id());
      response.setHeader(ApiClient.NEXT_HEADER, Long.toString(cursor.firstSequence()));
      if (frames) {
        response.setHeader(ApiClient.BYTE_ORDER_HEADER, ByteOrder.nativeOrder().toString());
      }
      response.setEntity(
          new EntityTemplate(
              frames ? FRAMES : NDJSON, out -> copyEvents(cursor, out, exchange.connection())));
      exchange.submit(response);
    } finally {
      limits.releaseStream();
    }
  }

  /** A number means nothing in a stream other than that it was given in. */
  private void requireStream(String wanted) {
    String current = services.events().id();
    if (!wanted.equals(current)) {
      throw new ProblemException(
          Problem.Kind.OTHER_STREAM,
          "the agent was restarted: its stream of events is "
              + current
              + ", not "
              + quote(wanted)
              + "; begin with from=1 and without stream");
    }
  }

  private static EventStream.Cursor open(
      EventStream events, OptionalLong from, FlowFilter filter, EventStream.Format format) {
    try {
      return from.isPresent()
          ? events.from(from.getAsLong(), filter, format)
          : events.follow(filter, format);
    } catch (IllegalArgumentException e) {
      throw new ProblemException(Problem.Kind.INVALID, String.valueOf(e.getMessage()));
    }
  }

  private static void copyEvents(
      EventStream.Cursor cursor, OutputStream out, ApiConnection connection) throws IOException {
    byte[] lines = new byte[STREAM_BUFFER_BYTES];
    // The header goes out first: whoever has it knows that nothing from now on is missed.
    out.flush();
    try {
      while (!connection.socket().peerHasLeft()) {
        int length = cursor.read(lines, STREAM_CHECK_MILLIS);
        if (length < 0) {
          return; // nothing more will come, and the end of the response says so
        }
        if (length > 0) {
          out.write(lines, 0, length);
          out.flush();
        }
      }
    } catch (InterruptedException e) {
      // The server is closing; the stream ends here as it would anywhere.
      Thread.currentThread().interrupt();
    }
  }

  private static Problem.Kind kind(PublishException.Kind kind) {
    return switch (kind) {
      case INVALID -> Problem.Kind.INVALID;
      case CONFLICT -> Problem.Kind.CONFLICT;
      case NOT_FOUND -> Problem.Kind.NOT_FOUND;
      case UNAVAILABLE -> Problem.Kind.UNAVAILABLE;
    };
  }

  /** Answers what is not even a request we understand with a problem document, too. */
  private static final class Service extends HttpService {
    Service(HttpServerRequestHandler handler) {
      super(HttpProcessors.server("sluice"), handler);
    }

    @Override
    protected void handleException(HttpException e, ClassicHttpResponse response) {
      Problem problem;
      if (e instanceof Exchange.RefusedException refused) {
        problem = refused.problem();
      } else if (e instanceof RequestHeaderFieldsTooLargeException) {
        problem =
            Problem.of(
                Problem.Kind.HEADERS_TOO_LARGE,
                "a line of the request header is longer than 8 KiB, or there are more than 64");
      } else if (e instanceof UnsupportedHttpVersionException) {
        problem =
            Problem.of(Problem.Kind.UNSUPPORTED_VERSION, "only HTTP/1.0 and HTTP/1.1 are spoken");
      } else {
        problem =
            Problem.of(
                Problem.Kind.MALFORMED_REQUEST,
                "this is not a request of HTTP/1.1: "
                    + quote(String.valueOf(e.getMessage())).replace("\"", ""));
      }
      response.setCode(problem.kind().status());
      response.setEntity(Exchange.response(problem).getEntity());
    }
  }
}
