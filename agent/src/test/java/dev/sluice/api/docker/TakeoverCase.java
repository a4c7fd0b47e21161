package dev.sluice.api.docker;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.model.Mapping;
import dev.sluice.model.PublishedMapping;
import dev.sluice.publish.LabAgent;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.DockerEngine;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A host with a real Docker engine and an agent that follows it, and a client outside. */
final class TakeoverCase implements AutoCloseable {
  /** For what follows an event by itself; a busy machine takes its time. */
  private static final long LIMIT_NANOS = 10_000_000_000L;

  private final Lab lab;
  private final DockerEngine engine;
  private @Nullable LabAgent agent;
  private @Nullable EngineFollower follower;

  private TakeoverCase(Lab lab, DockerEngine engine) {
    this.lab = lab;
    this.engine = engine;
  }

  /** Without an agent yet. */
  static TakeoverCase create(String... optionsOfDockerd) {
    Lab lab = Lab.builder().containers(0).agentWillConfigureHost().build();
    try {
      return new TakeoverCase(lab, DockerEngine.in(lab.host(), optionsOfDockerd));
    } catch (RuntimeException | AssertionError e) {
      lab.close();
      throw e;
    }
  }

  Netns host() {
    return lab.host();
  }

  Netns client() {
    return lab.client();
  }

  DockerEngine engine() {
    return engine;
  }

  LabAgent agent() {
    return Objects.requireNonNull(agent, "no agent runs");
  }

  EngineStatistics statistics() {
    return Objects.requireNonNull(follower, "no agent runs").statistics();
  }

  /** {@code sluice agent --docker}; returns when all has been compared. */
  void startAgent() {
    LabAgent started = LabAgent.start(lab.host(), Ownership.AUTO);
    agent = started;
    started.inside(() -> started.publisher().resume());
    follower =
        started.inside(
            () ->
                EngineFollower.start(
                    engine.socket(),
                    started.publisher(),
                    started.publisher(),
                    started.networking().topology(),
                    started.networks()));
    await("the engine is followed", () -> statistics().version().isPresent());
  }

  /** The end of the agent: the table stays. */
  void endAgent() {
    if (follower != null) {
      follower.close();
      follower = null;
    }
    if (agent != null) {
      agent.close();
      agent = null;
    }
  }

  /**
   * {@code docker run -d}, and its ports are published; with no command a web server on port 80.
   */
  String run(String name, String... arguments) {
    String[] command = new String[arguments.length + 4];
    command[0] = "run";
    command[1] = "-d";
    command[2] = "--name";
    command[3] = name;
    System.arraycopy(arguments, 0, command, 4, arguments.length);
    String id = engine.docker(command);
    if (agent != null && Arrays.asList(arguments).contains("-p")) {
      await(name + " is published", () -> !published(name).isEmpty());
    }
    return id;
  }

  /** The ports of a container as {@code sluice ps} has them. */
  List<String> published(String name) {
    return mappings(name).map(TakeoverCase::text).toList();
  }

  /** When the mappings of a container were published. */
  List<Instant> publishedAt(String name) {
    return mappings(name).map(Mapping::createdAt).toList();
  }

  private Stream<Mapping> mappings(String name) {
    List<PublishedMapping> all = agent().inside(() -> agent().publisher().published());
    return all.stream()
        .map(PublishedMapping::mapping)
        .filter(mapping -> mapping.label().equals(name));
  }

  private static String text(Mapping mapping) {
    return mapping.hostText() + " " + mapping.backends();
  }

  /** What a web server answers; {@code refused} or {@code silence} if none does. */
  static String web(Netns from, String address) {
    return get(() -> from.exec(curl(address)));
  }

  /** As {@link #web}, of a web server that may have been started just now. */
  static String served(Netns from, String address) {
    await("somebody listens behind " + address, () -> !web(from, address).equals("refused"));
    return web(from, address);
  }

  /** The same from within a container. */
  String webFrom(String container, String address) {
    return get(() -> engine.exec(container, curl(address)));
  }

  private static String[] curl(String address) {
    return new String[] {"curl", "-gsS", "-m", "1", "http://" + address};
  }

  private static String get(Supplier<Ran> curl) {
    Ran ran = curl.get();
    return switch (ran.exitCode()) {
      case 0 -> ran.stdout().strip();
      case 7 -> "refused";
      case 28 -> "silence";
      default -> ran.stderr().strip();
    };
  }

  static void await(String what, BooleanSupplier condition) {
    long deadlineNanos = System.nanoTime() + LIMIT_NANOS;
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("%s, in time", what).isLessThan(deadlineNanos);
      try {
        Thread.sleep(5);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while waiting: " + what, e);
      }
    }
  }

  @Override
  public void close() {
    try {
      endAgent();
    } finally {
      try {
        engine.close();
      } finally {
        lab.close();
      }
    }
  }
}
