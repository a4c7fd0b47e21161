package dev.sluice.api.docker;

import dev.sluice.ffi.UnixSocket;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.SocketTimeoutException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.hc.core5.http.ClassicHttpResponse;
import org.apache.hc.core5.http.ConnectionClosedException;
import org.apache.hc.core5.http.HttpException;
import org.apache.hc.core5.http.config.Http1Config;
import org.apache.hc.core5.http.impl.io.DefaultBHttpClientConnection;
import org.apache.hc.core5.http.message.BasicClassicHttpRequest;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.exc.JacksonIOException;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.MappingIterator;
import tools.jackson.databind.ObjectReader;
import tools.jackson.databind.json.JsonMapper;

/**
 * Asks a Docker engine over its unix socket, by HTTP/1.1, one question at a time on a connection
 * that is made when it is first needed and kept. The paths have no version in them: the engine
 * answers by the newest it knows, and what is read here all of them have.
 *
 * <p>Of one thread, except {@link #abort}.
 */
final class EngineClient implements Closeable {
  /** How long an answer may take: a container that is being started answers when it has been. */
  private static final int TIMEOUT_MILLIS = 30_000;

  /** A container with thousands of ports and labels stays far below. */
  private static final int MAX_ANSWER_BYTES = 64 << 20;

  private static final int MAX_STRING_CHARS = 1 << 20;
  private static final int MAX_REFUSAL_BYTES = 64 << 10;
  private static final int NOT_FOUND = 404;

  /** Health checks make many more events, of which none concerns ports. */
  private static final String EVENTS =
      "{\"type\":[\"container\",\"network\"],\"event\":[\"create\",\"start\",\"die\",\"destroy\","
          + "\"rename\",\"connect\",\"disconnect\"]}";

  private static final Http1Config HTTP = Http1Config.custom().setBufferSize(8 * 1024).build();

  private static final ObjectReader ANSWERS = reader(MAX_ANSWER_BYTES);
  private static final ObjectReader STREAM = reader(-1);

  private final Path path;
  private volatile boolean aborted;
  private volatile @Nullable UnixSocket socket;
  private long waitedNanos;
  private @Nullable DefaultBHttpClientConnection connection;

  EngineClient(Path path) {
    this.path = path;
  }

  private static ObjectReader reader(long maxBytes) {
    StreamReadConstraints limits =
        StreamReadConstraints.builder()
            .maxDocumentLength(maxBytes)
            .maxStringLength(MAX_STRING_CHARS)
            .maxNestingDepth(64)
            .build();
    return JsonMapper.builder(JsonFactory.builder().streamReadConstraints(limits).build())
        .build()
        .readerFor(JsonNode.class);
  }

  /** How long it has been waited for single answers in all, from each question to its last byte. */
  long waitedNanos() {
    return waitedNanos;
  }

  /** The engine's version, {@code 20.10.24}. */
  String version() {
    return one("/version", node -> node.path("Version").asString("?"))
        .orElseThrow(() -> unexpected("does not tell its version", null));
  }

  /**
   * All networks, without who is on them.
   *
   * @param unreadable told id and reason of each that is not as it should be
   */
  List<EngineNetwork> networks(BiConsumer<String, String> unreadable) {
    return all("/networks", EngineNetwork::read, unreadable);
  }

  /** A network with who is on it; empty if there is none of this id. */
  Optional<EngineNetwork> network(String id) {
    return one("/networks/" + id, EngineNetwork::read);
  }

  /**
   * All containers, those that do not run too, as far as a list tells: not what they were created
   * with. It is there at once, even while the engine is busy with one of them.
   *
   * @param unreadable told id and reason of each that is not as it should be
   */
  List<EngineContainer> containers(BiConsumer<String, String> unreadable) {
    return all("/containers/json?all=1", EngineContainer::listed, unreadable);
  }

  /** A container; empty if there is none of this id. */
  Optional<EngineContainer> container(String id) {
    return container(id, TIMEOUT_MILLIS);
  }

  /** As {@link #container(String)}, of an engine that may be busy with it for longer than that. */
  Optional<EngineContainer> container(String id, int timeoutMillis) {
    return one("/containers/" + id + "/json", EngineContainer::read, timeoutMillis);
  }

  /**
   * Follows what happens, until the engine ends or {@link #abort} is called.
   *
   * @param sinceNanos from when on, in nanoseconds since 1970; the engine remembers some
   * @param onOpen called once nothing is missed any more
   */
  void events(long sinceNanos, Runnable onOpen, Consumer<EngineEvent> onEvent) {
    String since = "%d.%09d".formatted(sinceNanos / 1_000_000_000, sinceNanos % 1_000_000_000);
    String question =
        "/events?since=" + since + "&filters=" + URLEncoder.encode(EVENTS, StandardCharsets.UTF_8);
    try {
      // No limit: nothing may happen for days.
      ClassicHttpResponse response = ask(question, 0);
      if (response.getCode() >= 300) {
        throw refused(question, response);
      }
      onOpen.run();
      try (MappingIterator<JsonNode> events = STREAM.readValues(content(response))) {
        while (events.hasNextValue()) {
          onEvent.accept(EngineEvent.read(events.nextValue()));
        }
      }
      throw unexpected("ended its stream of events", null);
    } catch (IOException | HttpException | JacksonException e) {
      throw brokenOff(e);
    } finally {
      close();
    }
  }

  private <T> List<T> all(
      String question, Function<JsonNode, T> read, BiConsumer<String, String> unreadable) {
    try {
      ClassicHttpResponse response = ask(question, TIMEOUT_MILLIS);
      if (response.getCode() >= 300) {
        throw refused(question, response);
      }
      List<T> all = new ArrayList<>();
      InputStream content = content(response);
      try (MappingIterator<JsonNode> nodes = ANSWERS.readValues(content)) {
        while (nodes.hasNextValue()) {
          JsonNode node = nodes.nextValue();
          try {
            all.add(read.apply(node));
          } catch (IllegalArgumentException e) {
            unreadable.accept(node.path("Id").asString(""), String.valueOf(e.getMessage()));
          }
        }
      }
      return all;
    } catch (IOException | HttpException | RuntimeException e) {
      close();
      throw brokenOff(e);
    }
  }

  private <T> Optional<T> one(String question, Function<JsonNode, T> read) {
    return one(question, read, TIMEOUT_MILLIS);
  }

  private <T> Optional<T> one(String question, Function<JsonNode, T> read, int timeoutMillis) {
    long askedAtNanos = System.nanoTime();
    try {
      ClassicHttpResponse response = ask(question, timeoutMillis);
      if (response.getCode() == NOT_FOUND) {
        content(response).readNBytes(MAX_REFUSAL_BYTES);
        return Optional.empty();
      }
      if (response.getCode() >= 300) {
        throw refused(question, response);
      }
      byte[] answer = content(response).readNBytes(MAX_ANSWER_BYTES);
      waitedNanos += System.nanoTime() - askedAtNanos;
      return Optional.of(read.apply(ANSWERS.readValue(answer)));
    } catch (IOException | HttpException | RuntimeException e) {
      close();
      throw brokenOff(e);
    }
  }

  /**
   * Sends a question.
   *
   * @param timeoutMillis for the whole answer; 0 for no limit
   */
  private ClassicHttpResponse ask(String question, int timeoutMillis)
      throws IOException, HttpException {
    DefaultBHttpClientConnection http = connected();
    UnixSocket current = socket;
    if (current == null) {
      throw new IOException("the connection was closed");
    }
    if (timeoutMillis == 0) {
      current.clearReadDeadline();
    } else {
      current.setReadDeadline(System.nanoTime() + timeoutMillis * 1_000_000L);
    }
    BasicClassicHttpRequest request = new BasicClassicHttpRequest("GET", question);
    request.setHeader("Host", "docker");
    http.sendRequestHeader(request);
    http.flush();
    ClassicHttpResponse response = http.receiveResponseHeader();
    http.receiveResponseEntity(response);
    return response;
  }

  private DefaultBHttpClientConnection connected() throws IOException {
    DefaultBHttpClientConnection current = connection;
    UnixSocket before = socket;
    if (current != null && before != null && !before.peerHasLeft()) {
      return current;
    }
    close();
    UnixSocket opened = UnixSocket.connect(path);
    socket = opened;
    if (aborted) {
      close();
      throw new IOException("no longer wanted");
    }
    opened.setWriteTimeout(TIMEOUT_MILLIS);
    DefaultBHttpClientConnection http = new DefaultBHttpClientConnection(HTTP);
    http.bind(opened);
    connection = http;
    return http;
  }

  private static InputStream content(ClassicHttpResponse response) throws IOException {
    return response.getEntity() == null
        ? InputStream.nullInputStream()
        : response.getEntity().getContent();
  }

  /** The engine's own words: {@code {"message":"…"}}. */
  private EngineException refused(String question, ClassicHttpResponse response)
      throws IOException {
    byte[] document = content(response).readNBytes(MAX_REFUSAL_BYTES);
    String message;
    try {
      JsonNode answer = ANSWERS.readValue(document);
      message = answer.path("message").asString("");
    } catch (JacksonException e) {
      message = new String(document, StandardCharsets.UTF_8).strip();
    }
    return unexpected(
        "answers " + question.split("\\?", 2)[0] + " with " + response.getCode() + ": " + message,
        null);
  }

  private EngineException unexpected(String what, @Nullable Throwable cause) {
    return cause == null
        ? new EngineException("the Docker engine at " + path + " " + what)
        : new EngineException("the Docker engine at " + path + " " + what, cause);
  }

  private EngineException brokenOff(Exception e) {
    if (e instanceof EngineException known) {
      return known;
    }
    if (e instanceof SocketTimeoutException) {
      return unexpected("does not answer", e);
    }
    if (!Files.exists(path)) {
      return new EngineException(
          "there is no Docker engine at " + path + ": start it, or say where it is with --docker",
          e);
    }
    Throwable reason =
        e instanceof JacksonIOException io && io.getCause() != null ? io.getCause() : e;
    if (reason instanceof ConnectionClosedException) {
      return unexpected("has gone", e);
    }
    return unexpected(
        "cannot be asked: " + String.valueOf(reason.getMessage()).lines().findFirst().orElse(""),
        e);
  }

  /** Ends what this client is doing, for good; from any thread. */
  void abort() {
    aborted = true;
    UnixSocket current = socket;
    if (current != null) {
      current.abort();
    }
  }

  @Override
  public void close() {
    UnixSocket current = socket;
    socket = null;
    connection = null;
    if (current != null) {
      try {
        current.close();
      } catch (IOException nothingLost) {
        // What was to be read has been read, or is not wanted any more.
      }
    }
  }
}
