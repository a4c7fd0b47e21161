package dev.sluice.network;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.network.NetworkException.Kind;
import dev.sluice.route.Rtnetlink;
import java.lang.reflect.Proxy;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** What is known of changes whose outcome is not. */
class SandboxChangesTest {
  private static final int ROUNDS = 20_000;

  /** Fails if {@code uncertain} is written by who has nothing to say about it. */
  @Test
  void anUncertainChangeIsNotForgottenForACertainOneAtTheSameTime() throws InterruptedException {
    try (Rtnetlink routes = Rtnetlink.open()) {
      SandboxChanges changes =
          new SandboxChanges(
              tableThatDoesNothing(),
              new Topology(List.of(), List.of()),
              new BridgeDriver(routes),
              new AddressPlan(AddressPlan.DEFAULT_SOURCES));
      NetworkException certain = new NetworkException(Kind.CONFLICT, "taken");
      NetworkException uncertain = new NetworkException(Kind.UNCERTAIN, "who knows");
      AtomicBoolean done = new AtomicBoolean();
      Thread other =
          new Thread(
              () -> {
                while (!done.get()) {
                  changes.mayBeInForce(certain);
                }
              });
      other.start();
      int forgotten = 0;
      for (int i = 0; i < ROUNDS; i++) {
        changes.mayBeInForce(uncertain);
        for (int look = 0; look < 20; look++) {
          if (!changes.isUncertain()) {
            forgotten++;
            break;
          }
        }
        changes.reloadIfUncertain();
      }
      done.set(true);
      other.join();
      assertThat(forgotten).isZero();
    }
  }

  private static NetworkTable tableThatDoesNothing() {
    return (NetworkTable)
        Proxy.newProxyInstance(
            NetworkTable.class.getClassLoader(),
            new Class<?>[] {NetworkTable.class},
            (proxy, method, arguments) -> proxy);
  }
}
