package dev.sluice.api;

import dev.sluice.api.AgentUnreachableException.Reason;
import dev.sluice.flow.EventFrame;
import dev.sluice.flow.EventKind;
import dev.sluice.flow.FlowFilter;
import dev.sluice.flow.FrameDescriptor;
import dev.sluice.model.Declaration;
import dev.sluice.model.DrainTime;
import dev.sluice.model.Joined;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.PathQuestion;
import dev.sluice.model.PathReport;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.TraceQuestion;
import dev.sluice.model.UpdateRequest;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.BindException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.URLEncoder;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.StringJoiner;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.apache.hc.core5.http.ClassicHttpResponse;
import org.apache.hc.core5.http.ConnectionClosedException;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.Header;
import org.apache.hc.core5.http.HttpEntity;
import org.apache.hc.core5.http.HttpException;
import org.apache.hc.core5.http.config.Http1Config;
import org.apache.hc.core5.http.impl.io.DefaultBHttpClientConnection;
import org.apache.hc.core5.http.io.entity.ByteArrayEntity;
import org.apache.hc.core5.http.message.BasicClassicHttpRequest;
import org.jspecify.annotations.Nullable;

/**
 * A client of the agent's API over one connection, which is made when it is first needed, kept, and
 * made again when the agent has closed it in the meantime. Not thread-safe.
 *
 * <p>It uses the JDK's own unix sockets and nothing native, so that a command starts fast.
 */
public final class ApiClient implements AutoCloseable {
  /** The header by which a client says what it is; {@code cli} owns its mappings as such. */
  public static final String CLIENT_HEADER = "Sluice-Client";

  /** The media type of the binary stream of events, see docs/events.md. */
  public static final String FRAMES_TYPE = "application/vnd.sluice.events";

  /** The byte order of the binary stream: {@code LITTLE_ENDIAN} or {@code BIG_ENDIAN}. */
  public static final String BYTE_ORDER_HEADER = "Sluice-Byte-Order";

  /** Which run of the agent an answer's sequence numbers belong to: 16 hexadecimal digits. */
  public static final String STREAM_HEADER = "Sluice-Stream";

  /** The number of the first event of an answer. */
  public static final String NEXT_HEADER = "Sluice-Next";

  private static final Http1Config HTTP = Http1Config.custom().setBufferSize(8 * 1024).build();
  private static final int MAX_PROBLEM_BYTES = 64 * 1024;
  private static final int FRAMES_AT_ONCE = 256;

  private final Path socket;
  private final String clientName;
  private final Duration timeout;
  private volatile @Nullable SocketChannel channel;
  private volatile boolean aborted;
  private @Nullable DefaultBHttpClientConnection connection;
  private @Nullable Watchdog watchdog;

  /**
   * @param socket where the agent listens
   * @param clientName what to tell the agent we are: {@code cli} for the command line
   * @param timeout how long one answer may take; event streams and lists of flows may take as long
   *     as they like
   */
  public ApiClient(Path socket, String clientName, Duration timeout) {
    this.socket = socket;
    this.clientName = clientName;
    this.timeout = timeout;
  }

  /** A client of programs, with a time limit of a minute. */
  public static ApiClient to(Path socket) {
    return new ApiClient(socket, "api", Duration.ofMinutes(1));
  }

  /** An answer and what it means. */
  public record Answer<T>(T value, String json) {}

  /**
   * Publishes ports. The owner is what this client said it is.
   *
   * @throws ProblemException if the agent refuses; nothing is published then
   * @throws AgentUnreachableException if it could not be asked, or did not answer: then it may have
   *     been done
   */
  public Answer<List<PublishedMapping>> publish(PublishRequest request) {
    return mappings(send("POST", "/v1/mappings", PublishBody.write(request)));
  }

  /** As {@link #publish(PublishRequest)}, with parts that the agent is the first to read. */
  public Answer<List<PublishedMapping>> publish(
      List<String> ports, String target, Optional<String> name) {
    byte[] body = PublishBody.write(ports, List.of(target), name, MappingOptions.NONE);
    return mappings(send("POST", "/v1/mappings", body));
  }

  /** Changes mappings in use; errors as in {@link #publish}. */
  public Answer<List<PublishedMapping>> update(UpdateRequest request) {
    return mappings(
        send("PATCH", "/v1/mappings/" + encode(request.nameOrId()), UpdateBody.write(request)));
  }

  /** Takes back what a name or an id stands for; errors as in {@link #publish}. */
  public Answer<List<PublishedMapping>> unpublish(String nameOrId) {
    return mappings(send("DELETE", "/v1/mappings/" + encode(nameOrId), null));
  }

  /** As {@link #unpublish}, but connections live on for some time. */
  public Answer<List<PublishedMapping>> drain(String nameOrId, DrainTime time) {
    return mappings(send("DELETE", "/v1/mappings/" + encode(nameOrId) + "?drain=" + time, null));
  }

  /** Everything published, with what connections carried; errors as in {@link #publish}. */
  public Answer<List<PublishedMapping>> publishedWithTraffic() {
    return mappings(send("GET", "/v1/mappings?traffic=true", null));
  }

  /** What a name or an id stands for, with what connections carried. */
  public Answer<List<PublishedMapping>> findWithTraffic(String nameOrId) {
    return mappings(send("GET", "/v1/mappings/" + encode(nameOrId) + "?traffic=true", null));
  }

  /**
   * Makes what the file of permanent mappings owns what this declaration asks for; errors as in
   * {@link #publish}.
   *
   * @param prune whether networks and sandboxes that are not in it any more are removed
   */
  public Answer<Declarations.Outcome> apply(Declaration declaration, boolean prune) {
    return declare(declaration, "?prune=" + prune);
  }

  /** What {@link #apply} would do. */
  public Answer<Declarations.Outcome> compare(Declaration declaration, boolean prune) {
    return declare(declaration, "?dryRun=true&prune=" + prune);
  }

  private Answer<Declarations.Outcome> declare(Declaration declaration, String query) {
    byte[] body = send("PUT", "/v1/declared" + query, DeclarationJson.write(declaration));
    return new Answer<>(DeclarationJson.readOutcome(body), text(body));
  }

  // ---- networks and sandboxes

  /** All networks; errors as in {@link #publish}. */
  public Answer<List<Network>> networks() {
    byte[] body = send("GET", "/v1/networks", null);
    return new Answer<>(NetworkJson.readAll(body), text(body));
  }

  /** A network; who is on it is in the JSON. */
  public Answer<Network> network(String name) {
    return network("GET", "/v1/networks/" + encode(name), null);
  }

  /** Makes a network; errors as in {@link #publish}. */
  public Answer<Network> create(NetworkRequest request) {
    return network("POST", "/v1/networks", NetworkBody.write(request));
  }

  /** Removes a network that nobody is on; errors as in {@link #publish}. */
  public Answer<Network> removeNetwork(String name) {
    return network("DELETE", "/v1/networks/" + encode(name), null);
  }

  private Answer<Network> network(String method, String path, byte @Nullable [] body) {
    byte[] answer = send(method, path, body);
    return new Answer<>(NetworkJson.read(answer), text(answer));
  }

  /**
   * Lets a sandbox join a network; errors as in {@link #publish}.
   *
   * @param namespace the file of its network namespace; needed if the agent does not know it yet
   */
  public Answer<Sandbox> connect(
      SandboxName sandbox, Attachment attachment, Optional<String> namespace) {
    return sandboxOf(
        sandbox(
            "POST",
            "/v1/networks/" + encode(attachment.network()) + "/endpoints",
            new ConnectBody(sandbox, attachment, namespace).write()));
  }

  /** Takes a sandbox from a network; errors as in {@link #publish}. */
  public Answer<Sandbox> disconnect(SandboxName sandbox, String network) {
    return sandboxOf(
        sandbox(
            "DELETE",
            "/v1/networks/" + encode(network) + "/endpoints/" + encode(sandbox.text()),
            null));
  }

  /** All sandboxes; errors as in {@link #publish}. */
  public Answer<List<Sandbox>> sandboxes() {
    byte[] body = send("GET", "/v1/sandboxes", null);
    return new Answer<>(SandboxJson.readAll(body), text(body));
  }

  /** A sandbox and what is published by its name; errors as in {@link #publish}. */
  public Answer<Joined> sandbox(SandboxName name) {
    return sandbox("GET", "/v1/sandboxes/" + encode(name.text()), null);
  }

  /** Lets a namespace join networks, and publishes ports of it; errors as in {@link #publish}. */
  public Answer<Joined> create(SandboxRequest request) {
    return sandbox("POST", "/v1/sandboxes", SandboxBody.write(request));
  }

  /** Takes a sandbox from all its networks, and its ports back; errors as in {@link #publish}. */
  public Answer<Sandbox> removeSandbox(SandboxName name) {
    return sandboxOf(sandbox("DELETE", "/v1/sandboxes/" + encode(name.text()), null));
  }

  private Answer<Joined> sandbox(String method, String path, byte @Nullable [] body) {
    byte[] answer = send(method, path, body);
    return new Answer<>(SandboxJson.read(answer), text(answer));
  }

  private static Answer<Sandbox> sandboxOf(Answer<Joined> answer) {
    return new Answer<>(answer.value().sandbox(), answer.json());
  }

  /** Everything published; errors as in {@link #publish}. */
  public Answer<List<PublishedMapping>> published() {
    return mappings(send("GET", "/v1/mappings", null));
  }

  /** What a name or an id stands for; errors as in {@link #publish}. */
  public Answer<List<PublishedMapping>> find(String nameOrId) {
    return mappings(send("GET", "/v1/mappings/" + encode(nameOrId), null));
  }

  /** Versions and figures of the agent, in the order to show them. */
  public Answer<Map<String, String>> facts() {
    byte[] body = send("GET", "/v1/version", null);
    return new Answer<>(DiagnosticsJson.readFacts(body), text(body));
  }

  /** What is programmed in the kernel, for {@code nft -f}; errors as in {@link #publish}. */
  public Answer<String> ruleset() {
    String text = new String(send("GET", "/v1/ruleset", null), StandardCharsets.UTF_8);
    return new Answer<>(
        text,
        ApiJson.text(
            json -> {
              json.writeStartObject();
              json.writeStringProperty("ruleset", text);
              json.writeEndObject();
            }));
  }

  /** What becomes of first packets to a port; errors as in {@link #publish}. */
  public Answer<PathReport> explain(PathQuestion question) {
    StringBuilder path =
        new StringBuilder("/v1/explain?port=")
            .append(question.port())
            .append("&protocol=")
            .append(question.protocol());
    question.from().ifPresent(from -> path.append("&from=").append(encode(from)));
    question.to().ifPresent(to -> path.append("&to=").append(encode(to.toString())));
    byte[] body = send("GET", path.toString(), null);
    return new Answer<>(PathJson.read(body), text(body));
  }

  /** How events and the table of connections are doing. */
  public Answer<HostStatistics> statistics() {
    byte[] body = send("GET", "/v1/statistics", null);
    return new Answer<>(StatisticsJson.read(body), text(body));
  }

  /** What the agent's checks of itself and the host found. */
  public Answer<List<Diagnostics.Finding>> findings() {
    byte[] body = send("GET", "/v1/doctor", null);
    return new Answer<>(DiagnosticsJson.readFindings(body), text(body));
  }

  /** Findings in the form in which the agent sends them, for those that are not from it. */
  public static String toJson(List<Diagnostics.Finding> findings) {
    return ApiJson.text(json -> DiagnosticsJson.writeFindings(json, findings));
  }

  /**
   * The current flows, as lines of JSON.
   *
   * @param onLine gets each line without its newline; false ends the listing
   */
  public void flows(FlowFilter filter, Predicate<String> onLine) {
    lines("/v1/flows" + query(filter, OptionalLong.empty(), Optional.empty()), onLine);
  }

  /**
   * Follows the events, as lines of JSON, until the agent ends or {@code onLine} has enough.
   *
   * @param from the first sequence number wanted; empty for what happens from now on
   * @param onLine gets each line without its newline; false ends the stream
   */
  public void events(FlowFilter filter, OptionalLong from, Predicate<String> onLine) {
    lines("/v1/events" + query(filter, from, Optional.empty()), onLine);
  }

  /**
   * Follows packets, as lines of JSON, until the trace ends or {@code onLine} has enough.
   *
   * @param unpublished whether also to follow packets to a port that is not published
   * @param onLine gets each line without its newline; false ends the trace
   */
  public void trace(TraceQuestion question, boolean unpublished, Predicate<String> onLine) {
    StringJoiner query = new StringJoiner("&", "?", "");
    query.add("port=" + question.port()).add("protocol=" + question.protocol());
    question.from().ifPresent(from -> query.add("from=" + encode(from.toString())));
    query
        .add("rate=" + question.packetsPerSecond())
        .add("count=" + question.packets())
        .add("seconds=" + question.seconds())
        .add("any=" + unpublished);
    lines("/v1/trace" + query, onLine);
  }

  /**
   * Follows the events in their binary form, until the agent ends or {@code onEvent} has enough.
   *
   * @param from the first sequence number wanted; empty for what happens from now on
   * @param onEvent gets each event, valid during the call; false ends the stream
   */
  public void frames(FlowFilter filter, OptionalLong from, Predicate<EventFrame> onEvent) {
    frames(query(filter, from, Optional.empty()), response -> {}, onEvent);
  }

  /**
   * As {@link #frames(FlowFilter, OptionalLong, Predicate)}, from a position of which the agent
   * knows whether it is one of its own.
   *
   * @param from where to go on; empty for what happens from now on
   * @param onOpen gets the position at which the answer begins, before its first event
   * @throws ProblemException if the position is not of this run of the agent, with {@link
   *     Problem.Kind#OTHER_STREAM}
   */
  void frames(
      FlowFilter filter,
      Optional<EventPosition> from,
      Consumer<EventPosition> onOpen,
      Predicate<EventFrame> onEvent) {
    frames(
        query(
            filter,
            from.map(at -> OptionalLong.of(at.next())).orElse(OptionalLong.empty()),
            from.map(EventPosition::stream)),
        response -> onOpen.accept(position(response)),
        onEvent);
  }

  /** The same from event 1 of whatever stream there is. */
  void framesFromStart(
      FlowFilter filter, Consumer<EventPosition> onOpen, Predicate<EventFrame> onEvent) {
    frames(
        query(filter, OptionalLong.of(1), Optional.empty()),
        response -> onOpen.accept(position(response)),
        onEvent);
  }

  private static EventPosition position(ClassicHttpResponse response) {
    Header stream = response.getFirstHeader(STREAM_HEADER);
    Header next = response.getFirstHeader(NEXT_HEADER);
    if (stream == null || next == null) {
      throw new IllegalStateException(
          "the agent does not say which stream its events belong to; it is older than this client");
    }
    return EventPosition.parse(stream.getValue() + EventPosition.SEPARATOR + next.getValue());
  }

  private void frames(
      String query, Consumer<ClassicHttpResponse> onOpen, Predicate<EventFrame> onEvent) {
    try {
      ClassicHttpResponse response =
          exchange(connected(), "GET", "/v1/events" + query, null, FRAMES_TYPE);
      onOpen.accept(response);
      Header order = response.getFirstHeader(BYTE_ORDER_HEADER);
      ByteBuffer frames =
          ByteBuffer.allocate(FRAMES_AT_ONCE * FrameDescriptor.FRAME_BYTES)
              .order(
                  order != null && order.getValue().equals(ByteOrder.BIG_ENDIAN.toString())
                      ? ByteOrder.BIG_ENDIAN
                      : ByteOrder.LITTLE_ENDIAN);
      EventFrame frame = new EventFrame(frames);
      InputStream in = response.getEntity().getContent();
      int filled = 0;
      while (true) {
        int read = in.read(frames.array(), filled, frames.capacity() - filled);
        if (read < 0) {
          break;
        }
        filled += read;
        int whole = filled / FrameDescriptor.FRAME_BYTES;
        for (int i = 0; i < whole; i++) {
          if (!onEvent.test(frame.wrap(frames, i * FrameDescriptor.FRAME_BYTES))) {
            disconnect();
            return;
          }
        }
        int used = whole * FrameDescriptor.FRAME_BYTES;
        System.arraycopy(frames.array(), used, frames.array(), 0, filled - used);
        filled -= used;
      }
      disconnect();
    } catch (IOException | HttpException e) {
      disconnect();
      throw new AgentUnreachableException(
          Reason.BROKEN_OFF, "the agent at " + socket + " ended before its answer did", e);
    }
  }

  /** Ends what this client is doing, for good; unlike the others, from any thread. */
  void abort() {
    aborted = true;
    SocketChannel current = channel;
    if (current != null) {
      try {
        current.close();
      } catch (IOException closedAnyway) {
        // Whoever waits on it is woken before anything is reported.
      }
    }
  }

  @Override
  public void close() {
    disconnect();
    if (watchdog != null) {
      watchdog.end();
      watchdog = null;
    }
  }

  private static Answer<List<PublishedMapping>> mappings(byte[] body) {
    return new Answer<>(MappingJson.read(body), text(body));
  }

  private static String text(byte[] body) {
    return new String(body, StandardCharsets.UTF_8).strip();
  }

  private byte[] send(String method, String path, byte @Nullable [] body) {
    Watchdog dog = watchdog;
    if (dog == null) {
      dog = Watchdog.start();
      watchdog = dog;
    }
    try {
      DefaultBHttpClientConnection http = connected();
      dog.guard(channel, timeout);
      try (ClassicHttpResponse response = exchange(http, method, path, body)) {
        HttpEntity entity = response.getEntity();
        byte[] answer = entity == null ? new byte[0] : entity.getContent().readAllBytes();
        boolean last = closes(response);
        if (last) {
          disconnect();
        }
        return answer;
      }
    } catch (IOException | HttpException e) {
      disconnect();
      throw brokenOff(e, dog.barked());
    } finally {
      dog.release();
    }
  }

  private void lines(String path, Predicate<String> onLine) {
    try {
      ClassicHttpResponse response = exchange(connected(), "GET", path, null);
      BufferedReader lines =
          new BufferedReader(
              new InputStreamReader(response.getEntity().getContent(), StandardCharsets.UTF_8));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (!line.isEmpty() && !onLine.test(line)) {
          disconnect();
          return;
        }
      }
      if (closes(response)) {
        disconnect();
      }
    } catch (IOException | HttpException e) {
      disconnect();
      throw new AgentUnreachableException(
          Reason.BROKEN_OFF, "the agent at " + socket + " ended before its answer did", e);
    }
  }

  /** Sends a request and receives the header of a good answer; any other is thrown. */
  private ClassicHttpResponse exchange(
      DefaultBHttpClientConnection http, String method, String path, byte @Nullable [] body)
      throws IOException, HttpException {
    return exchange(http, method, path, body, "*/*");
  }

  private ClassicHttpResponse exchange(
      DefaultBHttpClientConnection http,
      String method,
      String path,
      byte @Nullable [] body,
      String accepted)
      throws IOException, HttpException {
    BasicClassicHttpRequest request = new BasicClassicHttpRequest(method, path);
    request.setHeader("Host", "sluice");
    request.setHeader("Accept", accepted);
    request.setHeader(CLIENT_HEADER, clientName);
    IOException notSent = null;
    try {
      if (body != null) {
        request.setHeader("Content-Type", "application/json");
        request.setHeader("Content-Length", body.length);
        request.setEntity(new ByteArrayEntity(body, ContentType.APPLICATION_JSON));
      }
      http.sendRequestHeader(request);
      if (body != null) {
        http.sendRequestEntity(request);
      }
      http.flush();
    } catch (IOException e) {
      // Who refuses a request early hangs up while we are still sending; the answer says why.
      notSent = e;
    }
    ClassicHttpResponse response;
    try {
      response = http.receiveResponseHeader();
    } catch (IOException | HttpException e) {
      if (notSent != null) {
        notSent.addSuppressed(e);
        throw notSent;
      }
      throw e;
    }
    http.receiveResponseEntity(response);
    requireWholeHeader(response);
    if (response.getCode() >= 300) {
      throw refused(response);
    }
    return response;
  }

  /**
   * The library takes the end of the connection for the end of the header. What says how long an
   * answer is comes behind everything that we read of its header, and no answer of ours goes
   * without.
   */
  private static void requireWholeHeader(ClassicHttpResponse response) throws IOException {
    HttpEntity entity = response.getEntity();
    if (entity != null && !entity.isChunked() && entity.getContentLength() < 0) {
      throw new ConnectionClosedException("the header of the answer is not complete");
    }
  }

  private ProblemException refused(ClassicHttpResponse response) throws IOException {
    byte[] document = new byte[0];
    HttpEntity entity = response.getEntity();
    if (entity != null) {
      InputStream content = entity.getContent();
      document = content.readNBytes(MAX_PROBLEM_BYTES);
      if (content.read() >= 0) {
        disconnect();
      }
    }
    if (closes(response)) {
      disconnect();
    }
    return new ProblemException(Problem.read(document, response.getCode()));
  }

  private static boolean closes(ClassicHttpResponse response) {
    Header header = response.getFirstHeader("Connection");
    return header != null && "close".equalsIgnoreCase(header.getValue());
  }

  private DefaultBHttpClientConnection connected() throws IOException {
    DefaultBHttpClientConnection current = connection;
    SocketChannel currentChannel = channel;
    if (current != null && currentChannel != null && isAlive(currentChannel)) {
      return current;
    }
    disconnect();
    SocketChannel opened;
    try {
      opened = SocketChannel.open(StandardProtocolFamily.UNIX);
      channel = opened;
      if (aborted) {
        opened.close();
      }
      opened.connect(UnixDomainSocketAddress.of(socket));
    } catch (IOException e) {
      disconnect();
      throw notConnected(e);
    }
    DefaultBHttpClientConnection http = new DefaultBHttpClientConnection(HTTP);
    http.bind(new ChannelSocket(opened));
    connection = http;
    return http;
  }

  /**
   * Whether the agent still has the connection; it never sends unasked, so that something to read
   * can only be the end.
   */
  private static boolean isAlive(SocketChannel channel) {
    if (!channel.isOpen()) {
      return false;
    }
    try {
      channel.configureBlocking(false);
      int read = channel.read(java.nio.ByteBuffer.allocate(1));
      channel.configureBlocking(true);
      return read == 0;
    } catch (IOException e) {
      return false;
    }
  }

  private void disconnect() {
    SocketChannel current = channel;
    channel = null;
    connection = null;
    if (current != null) {
      try {
        current.close();
      } catch (IOException nothingLost) {
        // What was to be read has been read, or is not wanted any more.
      }
    }
  }

  private AgentUnreachableException notConnected(IOException e) {
    if (e instanceof ConnectException) {
      return new AgentUnreachableException(
          Reason.NOT_RUNNING,
          "no agent is listening on "
              + socket
              + "; start it with \"sluice agent\", or say where it is with --socket",
          e);
    }
    // The JDK reports EACCES and EPERM of connect(2) as a BindException.
    if (e instanceof BindException || !isSearchable(socket.toAbsolutePath().getParent())) {
      return new AgentUnreachableException(
          Reason.NOT_PERMITTED,
          "you may not use " + socket + "; be root or a member of group sluice",
          e);
    }
    if (!Files.exists(socket, LinkOption.NOFOLLOW_LINKS)) {
      return new AgentUnreachableException(
          Reason.NOT_RUNNING,
          "no agent is running: there is no "
              + socket
              + "; start it with \"sluice agent\", or say where it is with --socket",
          e);
    }
    return new AgentUnreachableException(
        Reason.NOT_RUNNING, "cannot connect to " + socket + ": " + e.getMessage(), e);
  }

  private static boolean isSearchable(@Nullable Path directory) {
    return directory == null
        || Files.isExecutable(directory)
        || (!Files.exists(directory) && isSearchable(directory.getParent()));
  }

  private AgentUnreachableException brokenOff(Exception e, boolean tooLate) {
    return new AgentUnreachableException(
        Reason.BROKEN_OFF,
        tooLate
            ? "the agent at "
                + socket
                + " did not answer within "
                + timeout.toSeconds()
                + " seconds; see its log"
            : "the connection to the agent at "
                + socket
                + " broke off before it had answered; see its log, and what it did with"
                + " \"sluice ps\"",
        e);
  }

  private static String query(FlowFilter filter, OptionalLong from, Optional<String> stream) {
    StringJoiner query = new StringJoiner("&", "?", "").setEmptyValue("");
    filter.mapping().ifPresent(mapping -> query.add("mapping=" + encode(mapping)));
    filter.protocol().ifPresent(protocol -> query.add("protocol=" + protocol));
    filter.address().ifPresent(address -> query.add("address=" + encode(address.toString())));
    if (filter.publishedOnly()) {
      query.add("published=true");
    }
    if (!filter.kinds().isEmpty()) {
      query.add(
          "kind="
              + filter.kinds().stream()
                  .sorted()
                  .map(EventKind::toString)
                  .collect(Collectors.joining(",")));
    }
    from.ifPresent(sequence -> query.add("from=" + sequence));
    stream.ifPresent(id -> query.add("stream=" + encode(id)));
    return query.toString();
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
  }

  /** Closes a channel that is waited for too long: blocking channels know no time limit. */
  private static final class Watchdog implements Runnable {
    private static final long IDLE = Long.MAX_VALUE;

    private final Thread thread = new Thread(this, "api-timeout");
    private volatile long deadlineNanos = IDLE;
    private volatile boolean guarding;
    private volatile boolean ended;
    private volatile boolean barked;
    private volatile @Nullable SocketChannel guarded;

    static Watchdog start() {
      Watchdog dog = new Watchdog();
      dog.thread.setDaemon(true);
      dog.thread.start();
      return dog;
    }

    void guard(@Nullable SocketChannel channel, Duration timeout) {
      barked = false;
      guarded = channel;
      deadlineNanos = System.nanoTime() + timeout.toNanos();
      guarding = true;
    }

    void release() {
      guarding = false;
      guarded = null;
    }

    boolean barked() {
      return barked;
    }

    void end() {
      ended = true;
      LockSupport.unpark(thread);
    }

    @Override
    public void run() {
      while (!ended) {
        SocketChannel channel = guarded;
        long remaining = guarding ? deadlineNanos - System.nanoTime() : IDLE;
        if (channel != null && guarding && remaining <= 0) {
          barked = true;
          guarding = false;
          try {
            channel.close();
          } catch (IOException closedAnyway) {
            // close() frees the channel before it reports anything.
          }
        }
        // Looks often enough that nobody has to wake it for each request.
        LockSupport.parkNanos(Math.min(Math.max(remaining, 1_000_000L), 200_000_000L));
      }
    }
  }
}
