package dev.sluice.network;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.netlink.NetworkNamespace;
import dev.sluice.publish.LabAgent;
import dev.sluice.route.Link;
import dev.sluice.route.Rtnetlink;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Netns;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Which ports of bridges send packets back to where they came from. */
class HairpinPortsIT {
  @AutoClose private final Netns host = Netns.create("host");
  @AutoClose private final NetworkNamespace namespace = NetworkNamespace.open(host.path());
  @AutoClose private final Rtnetlink routes = Rtnetlink.open(namespace);
  private final HairpinPorts hairpin = new HairpinPorts(routes);

  @BeforeEach
  void build() {
    for (String bridge : List.of("br0", "br1")) {
      host.ip("link add " + bridge + " type bridge", "link set " + bridge + " up");
    }
    host.ip("addr add 172.30.0.1/24 dev br0");
    plug("a0", "br0");
    plug("b0", "br1");
  }

  private void plug(String port, String bridge) {
    host.ip(
        "link add " + port + " type veth peer name " + port + "p",
        "link set " + port + " master " + bridge + " up");
  }

  private Link link(String name) {
    return routes.link(name).orElseThrow();
  }

  private boolean isHairpin(String name) {
    return link(name).hairpin();
  }

  /**
   * Fails if a port of another bridge is set, or new ones are left out where nobody tells of them.
   */
  @Test
  void withoutFollowingABridgeIsLookedThroughEachTime() {
    hairpin.allow(link("br0").index());
    plug("a1", "br0");
    hairpin.changed(link("a1"));
    assertThat(isHairpin("a1")).isFalse();
    hairpin.allow(link("br0").index());
    assertThat(isHairpin("a0")).isTrue();
    assertThat(isHairpin("a1")).isTrue();
    assertThat(isHairpin("b0")).isFalse();
  }

  /** Fails if every call looks through all links, or a port that is told stays as it was. */
  @Test
  void oneThatIsFollowedIsLookedThroughOnce() {
    hairpin.follow();
    hairpin.allow(link("br0").index());
    assertThat(isHairpin("a0")).isTrue();
    plug("a1", "br0");
    hairpin.allow(link("br0").index());
    assertThat(isHairpin("a1")).as("nobody has told of it").isFalse();
    hairpin.changed(link("a1"));
    hairpin.changed(link("b0"));
    assertThat(isHairpin("a1")).isTrue();
    assertThat(isHairpin("b0")).isFalse();
    plug("a2", "br0");
    hairpin.forget();
    hairpin.allow(link("br0").index());
    assertThat(isHairpin("a2")).isTrue();
  }

  /** Fails if another bridge with the index of one that has gone is taken for it. */
  @Test
  void aBridgeThatHasGoneIsForgotten() {
    hairpin.follow();
    Link bridge = link("br0");
    hairpin.allow(bridge.index());
    hairpin.deleted(bridge);
    plug("a1", "br0");
    hairpin.changed(link("a1"));
    assertThat(isHairpin("a1")).isFalse();
    hairpin.allow(bridge.index());
    assertThat(isHairpin("a1")).isTrue();
  }

  /** Fails if a port that is plugged into a network with published ports is not told of. */
  @Test
  void anAgentFollowsThePortsOfItsBridges() throws InterruptedException {
    host.sysctl("net.bridge.bridge-nf-call-iptables=1");
    try (LabAgent agent = LabAgent.start(host, Ownership.OFF)) {
      agent.follow();
      agent.publish("172.30.0.2", "8080:80");
      assertThat(isHairpin("a0")).isTrue();
      plug("a1", "br0");
      long deadline = System.nanoTime() + Duration.ofSeconds(10).toNanos();
      while (!isHairpin("a1") && System.nanoTime() < deadline) {
        Thread.sleep(5);
      }
      assertThat(isHairpin("a1")).isTrue();
    }
  }
}
