package dev.sluice.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.conntrack.FlowRecordDescriptor;
import dev.sluice.flow.EventFrame;
import dev.sluice.flow.FlowFilter;
import dev.sluice.flow.FrameDescriptor;
import dev.sluice.net.MalformedValueException;
import dev.sluice.publish.PublishException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A client that keeps its place, against a server that comes and goes. */
class EventClientTest {
  private static final EventPosition AT_4 = new EventPosition(FakeAgent.STREAM, 4);

  @TempDir private Path directory;
  private final FakeAgent agent = new FakeAgent();
  private final List<String> told = new CopyOnWriteArrayList<>();
  private ApiServer server;

  @BeforeEach
  void serve() {
    serve(ApiOptions.DEFAULTS);
  }

  private void serve(ApiOptions options) {
    if (server != null) {
      server.close();
    }
    server = ApiServer.start(directory.resolve("a.sock"), agent.services(), options);
  }

  @AfterEach
  void stop() {
    server.close();
  }

  private EventClient client(Optional<EventPosition> from) {
    return EventClient.to(server.socket(), FlowFilter.ALL, from);
  }

  private CompletableFuture<Void> follow(EventClient client) {
    return follow(client, event -> {});
  }

  private CompletableFuture<Void> follow(EventClient client, Consumer<EventFrame> first) {
    return CompletableFuture.runAsync(
        () ->
            client.follow(
                new EventClient.Handler() {
                  @Override
                  public void onEvent(EventFrame event) {
                    first.accept(event);
                    told.add("event " + event.sequence());
                  }

                  @Override
                  public void onAgentRestart(EventPosition end) {
                    told.add("restart " + end);
                  }

                  @Override
                  public void onDisconnect(String reason) {
                    told.add("disconnect " + reason);
                  }
                }));
  }

  private static void end(EventClient client, CompletableFuture<Void> following) throws Exception {
    client.close();
    following.get(10, TimeUnit.SECONDS);
  }

  private void emit(long from, long to) {
    await(() -> agent.followers() == 1);
    for (long sequence = from; sequence < to; sequence++) {
      ByteBuffer frame =
          ByteBuffer.allocate(FrameDescriptor.FRAME_BYTES)
              .order(ByteOrder.nativeOrder())
              .putLong(FrameDescriptor.SEQUENCE_OFFSET, sequence)
              .putLong(FrameDescriptor.NEXT_SEQUENCE_OFFSET, sequence + 1)
              .put(
                  FrameDescriptor.RECORD_OFFSET + FlowRecordDescriptor.KIND_OFFSET,
                  (byte) FlowRecordDescriptor.SLUICE_KIND_NEW);
      agent.emit(frame.array());
    }
  }

  private List<String> eventsAndRestarts() {
    return told.stream().filter(line -> !line.startsWith("disconnect ")).toList();
  }

  private static void await(BooleanSupplier condition) {
    long deadline = System.nanoTime() + 10_000_000_000L;
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("waited ten seconds").isLessThan(deadline);
      Thread.onSpinWait();
    }
  }

  /** Fails if it asks for what it has, or for less than it misses. */
  @Test
  void goes_on_behind_the_last_event_when_the_connection_breaks() throws Exception {
    try (EventClient client = client(Optional.empty())) {
      CompletableFuture<Void> following = follow(client);
      emit(1, 4);
      await(() -> told.size() == 3);
      serve();
      emit(4, 6);
      await(() -> eventsAndRestarts().size() == 5);
      assertThat(agent.lastFrom()).isEqualTo(4);
      assertThat(client.position()).hasValue(new EventPosition(FakeAgent.STREAM, 6));
      end(client, following);
    }
    assertThat(eventsAndRestarts())
        .containsExactly("event 1", "event 2", "event 3", "event 4", "event 5");
    assertThat(told).anyMatch(line -> line.startsWith("disconnect "));
  }

  /** Fails if a connection that broke before its first event is begun anew with what is new. */
  @Test
  void has_a_place_before_the_first_event() throws Exception {
    try (EventClient client = client(Optional.empty())) {
      CompletableFuture<Void> following = follow(client);
      await(() -> client.position().isPresent());
      assertThat(client.position()).hasValue(new EventPosition(FakeAgent.STREAM, 5_014));
      serve();
      await(() -> agent.lastFrom() == 5_014);
      end(client, following);
    }
  }

  /** Fails if the numbers of another run of the agent are taken for those of ours. */
  @Test
  void begins_at_1_when_the_agent_was_restarted_and_says_so() throws Exception {
    try (EventClient client = client(Optional.of(AT_4))) {
      CompletableFuture<Void> following = follow(client);
      emit(4, 5);
      await(() -> told.size() == 1);
      agent.restart("00000000000000ff");
      serve();
      emit(1, 3);
      await(() -> eventsAndRestarts().size() == 4);
      assertThat(agent.lastFrom()).isEqualTo(1);
      assertThat(client.position()).hasValue(new EventPosition("00000000000000ff", 3));
      end(client, following);
    }
    assertThat(eventsAndRestarts())
        .containsExactly("event 4", "restart " + FakeAgent.STREAM + "/5", "event 1", "event 2");
  }

  /** Fails if a place is passed before its event has been handled. */
  @Test
  void what_the_handler_throws_ends_it_where_it_was() {
    try (EventClient client = client(Optional.of(AT_4))) {
      CompletableFuture<Void> following =
          follow(
              client,
              event -> {
                if (event.sequence() == 5) {
                  throw new ProblemException(Problem.Kind.UNAVAILABLE, "the disk is full");
                }
              });
      emit(4, 6);
      assertThatThrownBy(() -> following.get(10, TimeUnit.SECONDS))
          .isInstanceOf(ExecutionException.class)
          .hasRootCauseMessage("the disk is full");
      assertThat(client.position()).hasValue(new EventPosition(FakeAgent.STREAM, 5));
    }
  }

  /** Fails if a mistake of the caller is tried again for ever. */
  @Test
  void a_refusal_for_good_is_thrown() {
    agent.failWith(() -> new PublishException(PublishException.Kind.INVALID, "no such thing"));
    try (EventClient client = client(Optional.empty())) {
      assertThatThrownBy(() -> follow(client).get(10, TimeUnit.SECONDS))
          .hasCauseInstanceOf(ProblemException.class)
          .hasRootCauseMessage("no such thing");
    }
  }

  /** Fails if a full agent is given up, or asked without a pause. */
  @Test
  void a_refusal_for_now_is_tried_again() throws Exception {
    serve(new ApiOptions("no-such-group", 8, 4, 0, 1024, 30_000, 30_000));
    try (EventClient client = client(Optional.empty())) {
      CompletableFuture<Void> following = follow(client);
      await(() -> told.size() >= 4); // after 10, 20 and 40 ms
      assertThat(told).allMatch("disconnect there are already 0 event streams; try again"::equals);
      end(client, following);
      assertThat(told.size()).isLessThan(50);
    }
  }

  @Test
  void a_position_is_one_word() {
    assertThat(AT_4).hasToString("9f3c5d0e1a2b4c6d/4");
    assertThat(EventPosition.parse(AT_4.toString())).isEqualTo(AT_4);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new EventPosition(FakeAgent.STREAM, 0))
        .withMessageContaining("next=0");
  }

  /** Fails if a file with something else in it is taken for a position. */
  @ParameterizedTest
  @ValueSource(strings = {"", "4", "/4", "9f3c/4", "9f3c5d0e1a2b4c6d/0", "9f3c5d0e1a2b4c6d/-1"})
  void what_is_no_position_is_refused(String text) {
    assertThatThrownBy(() -> EventPosition.parse(text)).isInstanceOf(MalformedValueException.class);
  }
}
