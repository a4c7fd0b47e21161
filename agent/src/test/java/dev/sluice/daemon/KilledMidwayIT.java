package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.IpAddress;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Nft;
import dev.sluice.testing.Scale;
import dev.sluice.testing.Strace;
import dev.sluice.testing.Traffic.Outcome;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code kill -9} of the real agent at a system call of a request for several ports, one call after
 * the other; who starts next finds all of it, or nothing, and goes on.
 *
 * <p>{@code -Dsluice.scale=full} kills at every call; {@code -Dsluice.cuts=COUNT} at so many,
 * evenly spread.
 */
class KilledMidwayIT {
  private static final String TRACED = "%network,%desc,openat";
  private static final List<String> PORTS =
      List.of("8080:80", "40000:8080", "5353:53/udp", "7000-7003:7000-7003");

  private static PublishRequest web() {
    return new PublishRequest(
        PORTS.stream().map(PortSpec::parse).toList(),
        IpAddress.parse(Lab.C1),
        Optional.of(new MappingName("web")),
        Owner.CLI);
  }

  private static Stream<String> texts(List<PublishedMapping> published) {
    return published.stream().map(PublishedMapping::mapping).map(Mapping::hostText);
  }

  /**
   * Fails if a request becomes more than one transaction, or if the next agent does not adopt the
   * table, reserve its ports, and publish what is missing.
   */
  @Test
  void theNextAgentFindsTheWholeRequestOrNothing(@TempDir Path directory) {
    try (Lab lab = Lab.builder().containers(1).agentWillConfigureHost().build()) {
      Path log = directory.resolve("strace");
      List<Moment> calls = new ArrayList<>();
      List<String> whole;
      try (BareAgent agent = BareAgent.start(lab.host(), directory)) {
        // Once before: the network is attached then, as it is for those that follow.
        agent.api().publish(web());
        agent.api().unpublish("web");
        Strace strace =
            Strace.attach(lab.host(), agent.servingThreads(), log, "-e", "trace=" + TRACED);
        whole = texts(agent.api().publish(web()).value()).sorted().toList();
        strace.close();
        strace
            .calls()
            .forEach(
                (call, count) ->
                    IntStream.rangeClosed(1, count).forEach(n -> calls.add(new Moment(call, n))));
        agent.api().unpublish("web");
        assertThat(agent.stop()).isZero();
      }
      int wanted = Math.min(Scale.count("cuts", 5, calls.size()), calls.size());
      int found = 0;
      List<Long> answeredMillis = new ArrayList<>();
      for (int i = 0; i < wanted; i++) {
        Moment moment = calls.get((int) ((long) i * calls.size() / wanted));
        killAt(moment, lab, directory, log);
        long started = System.nanoTime();
        try (BareAgent next = BareAgent.start(lab.host(), directory)) {
          answeredMillis.add(Duration.ofNanos(System.nanoTime() - started).toMillis());
          List<String> there = texts(next.api().published().value()).sorted().toList();
          if (there.isEmpty()) {
            next.api().publish(web());
          } else {
            assertThat(there).as("after kill -9 at %s", moment).isEqualTo(whole);
            assertThat(next.api().find("web").value()).hasSize(PORTS.size());
            found++;
          }
          assertServed(lab, next);
          next.api().unpublish("web");
          assertThat(Nft.in(lab.host()).table("inet", "sluice")).doesNotContain("comment \"web\"");
          assertThat(next.stop()).isZero();
        }
      }
      Scale.report(
          "2",
          "killed at %d of %d system calls; %d times the whole request was there, %d times nothing;"
                  .formatted(wanted, calls.size(), found, wanted - found)
              + " next agent answered after (ms) "
              + answeredMillis);
    }
  }

  /** The {@code number}th call of its kind. */
  private record Moment(String call, int number) {}

  private static void killAt(Moment moment, Lab lab, Path directory, Path log) {
    try (BareAgent agent = BareAgent.start(lab.host(), directory)) {
      String kill = "inject=%s:signal=SIGKILL:when=%d".formatted(moment.call(), moment.number());
      Strace strace =
          Strace.attach(
              lab.host(), agent.servingThreads(), log, "-e", "trace=" + moment.call(), "-e", kill);
      publish(agent);
      strace.close();
      // Where it made a call less than the one that was measured, it is killed behind the answer.
      agent.kill();
    }
  }

  private static void publish(BareAgent agent) {
    try {
      agent.api().publish(web());
    } catch (AgentUnreachableException e) {
      assertThat(e).hasMessageNotContaining("Exception"); // it died before it could answer
    }
  }

  private static void assertServed(Lab lab, BareAgent agent) {
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8080).server()).isEqualTo("c1:80");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 7002).server()).isEqualTo("c1:7002");
    assertThat(lab.client().traffic().udp(Lab.HOST, 5353).server()).isEqualTo("c1:53");
    assertThat(lab.client().traffic().tcp(Lab.HOST, 8081).outcome()).isEqualTo(Outcome.REFUSED);
    // The ports are held: nobody else can have them.
    assertThat(lab.host().exec("timeout", "1", "nc", "-l", "40000").exitCode()).isEqualTo(1);
    assertThat(lab.host().sysctlValue("net.ipv4.ip_local_reserved_ports")).isEqualTo("40000");
    assertThatThrownBy(() -> agent.api().publish(web())).hasMessageContaining("published as web");
  }
}
