package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.conntrack.Conntrack;
import dev.sluice.flow.FlowCutter;
import dev.sluice.flow.LiveFlows;
import dev.sluice.flow.MappingIndex;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.net.IpAddress;
import dev.sluice.network.NetworkTable;
import dev.sluice.network.Networks;
import dev.sluice.publish.LabAgent;
import dev.sluice.publish.MappingListener;
import dev.sluice.publish.PortReservations;
import dev.sluice.publish.TablePublisher;
import dev.sluice.route.Rtnetlink;
import dev.sluice.ruleset.Ownership;
import dev.sluice.sysctl.ReservedLocalPorts;
import dev.sluice.sysctl.Sysctl;
import dev.sluice.testing.Lab;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** What the watchdog makes of a request that is stuck in the middle of its work. */
class WatchdogProofsIT {
  private static final int LIMIT_SECONDS = 20;

  private final CountDownLatch begun = new CountDownLatch(1);
  private final CountDownLatch free = new CountDownLatch(1);

  /** Fails if requests that wait for one another for ever look like an agent at work. */
  @Test
  void silentWhileAPublicationIsStuck() throws Exception {
    try (Lab lab = Lab.builder().containers(1).agentWillConfigureHost().build();
        LabAgent agent = LabAgent.start(lab.host(), Ownership.OFF);
        TablePublisher publisher = agent.inside(() -> publisher(agent))) {
      PublishRequest request =
          new PublishRequest(
              List.of(PortSpec.parse("8080:80")),
              List.of(IpAddress.parse(Lab.C1)),
              Optional.empty(),
              Owner.CLI,
              MappingOptions.NONE);
      silentUntilFree(publisher::awaitTurn, () -> agent.inside(() -> publisher.publish(request)));
    }
  }

  /** Fails if the same goes for networks and sandboxes. */
  @Test
  void silentWhileANetworkIsStuck() throws Exception {
    try (Lab lab = Lab.builder().containers(0).agentWillConfigureHost().build();
        LabAgent agent = LabAgent.start(lab.host(), Ownership.OFF);
        Networks networks = agent.inside(() -> networks(agent))) {
      silentUntilFree(
          networks::awaitTurn,
          () -> agent.inside(() -> networks.create(NetworkRequest.of("stuck", Owner.CLI))));
    }
  }

  private void silentUntilFree(Watchdog.Use proof, Runnable stuck) throws Exception {
    Semaphore told = new Semaphore(0);
    CompletableFuture<Void> request = CompletableFuture.runAsync(stuck);
    assertThat(begun.await(LIMIT_SECONDS, TimeUnit.SECONDS)).isTrue();
    try (Watchdog watchdog =
        Watchdog.start(
            List.of(new Watchdog.Proof("requests", proof)), Duration.ofMillis(60), told::release)) {
      assertThat(told.tryAcquire(300, TimeUnit.MILLISECONDS))
          .as("%s is silent", watchdog)
          .isFalse();
      free.countDown();
      assertThat(told.tryAcquire(LIMIT_SECONDS, TimeUnit.SECONDS)).isTrue();
    }
    request.get(LIMIT_SECONDS, TimeUnit.SECONDS);
  }

  private void stick() {
    begun.countDown();
    try {
      free.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private TablePublisher publisher(LabAgent agent) {
    MappingIndex index = new MappingIndex();
    return new TablePublisher(
        agent.table(),
        agent.networks(),
        agent.networking().topology(),
        new PortReservations(8),
        new ReservedLocalPorts(new Sysctl()),
        new FlowCutter(Conntrack.open(), () -> LiveFlows.UNKNOWN, index, agent.networks()::isLocal),
        new MappingListener() {
          @Override
          public void published(Mapping mapping) {
            stick();
          }

          @Override
          public void withdrawn(Mapping mapping) {}
        },
        Clock.systemUTC());
  }

  private Networks networks(LabAgent agent) {
    NetworkTable table =
        (NetworkTable)
            Proxy.newProxyInstance(
                NetworkTable.class.getClassLoader(),
                new Class<?>[] {NetworkTable.class},
                (proxy, method, arguments) -> {
                  if (method.getName().equals("attach")) {
                    stick();
                  }
                  try {
                    return method.invoke(agent.publisher(), arguments);
                  } catch (InvocationTargetException e) {
                    throw e.getCause();
                  }
                });
    return new Networks(
        table,
        agent.networking().topology(),
        agent.networks(),
        agent.names(),
        Rtnetlink.open(),
        Clock.systemUTC());
  }
}
