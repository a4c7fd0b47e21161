package dev.sluice.bench.sandboxes;

import dev.sluice.bench.docker.DockerDaemon;
import java.nio.file.Path;

/**
 * What programs do in a cycle, in the words of bench/native/cycles.c.
 *
 * @param label the head of the column
 * @param setup a shell script that makes what they expect to find on the host
 * @param text joins, and leaves
 * @param isWhole whether a cycle is the whole life of a namespace
 * @param cycles how many there are in a round
 */
record Plan(String label, String setup, String text, boolean isWhole, int cycles) {
  /** Slow ones. */
  static final int FEW = 20;

  /** A bridge, and a table like the agent's with what leads to it and out of it. */
  private static final String HOST =
      """
      ip link add cont0 type bridge
      ip address add 10.77.0.1/16 dev cont0
      ip link set cont0 up
      echo 1 >/proc/sys/net/ipv4/ip_forward
      nft -f - <<'END'
      table inet peer {
        map any4 {
          type inet_proto . inet_service : ipv4_addr . inet_service
          counter
        }
        chain prerouting {
          type nat hook prerouting priority dstnat
          fib daddr type local dnat ip to meta l4proto . th dport map @any4
        }
        chain postrouting {
          type nat hook postrouting priority srcnat
          ip saddr 10.77.0.0/16 oifname != cont0 masquerade
        }
      }
      END
      """;

  /** A process for each step. */
  static Plan ip() {
    return new Plan(
        "ip + nft",
        HOST,
        """
        join
        run ip link add v{n} type veth peer name eth0 netns {name}
        run ip link set v{n} master cont0 up
        run ip link set v{n} type bridge_slave hairpin on
        run ip -n {name} link set lo up
        run ip -n {name} address add {address}/16 dev eth0
        run ip -n {name} link set eth0 up
        run ip -n {name} route add default via 10.77.0.1
        run nft add element inet peer any4 { tcp . {port} : {address} . 80 }
        leave
        run nft delete element inet peer any4 { tcp . {port} }
        run ip link delete v{n}
        """,
        true,
        SandboxesCost.FOR_P99);
  }

  /** A process for each namespace and program. */
  static Plan ipBatch() {
    return new Plan(
        "ip -batch + nft",
        HOST,
        """
        join
        run ip -batch -
        in link add v{n} type veth peer name eth0 netns {name}
        in link set v{n} master cont0 up
        in link set v{n} type bridge_slave hairpin on
        run ip -n {name} -batch -
        in link set lo up
        in address add {address}/16 dev eth0
        in link set eth0 up
        in route add default via 10.77.0.1
        run nft add element inet peer any4 { tcp . {port} : {address} . 80 }
        leave
        run nft delete element inet peer any4 { tcp . {port} }
        run ip link delete v{n}
        """,
        true,
        SandboxesCost.FOR_P99);
  }

  /**
   * The plugins bridge, with host-local for the address, and portmap, called as libcni calls them:
   * the result of one is given to the next, and that of the last to both when they take it back.
   *
   * @param leases where host-local keeps its addresses
   * @param lock iptables' lock is one for the whole machine: not this one
   */
  static Plan cni(Path leases, Path lock) {
    String bridge =
        """
        run %s/bridge
        in {"cniVersion":"0.4.0","name":"bench","type":"bridge","bridge":"cni0","isGateway":true,\
        "ipMasq":true,"hairpinMode":true,"ipam":{"type":"host-local","dataDir":"%s",\
        "ranges":[[{"subnet":"10.77.0.0/16"}]],"routes":[{"dst":"0.0.0.0/0"}]}%s}
        """;
    String portmap =
        """
        run %s/portmap
        in {"cniVersion":"0.4.0","name":"bench","type":"portmap","snat":true,\
        "capabilities":{"portMappings":true},"runtimeConfig":{"portMappings":[\
        {"hostPort":{port},"containerPort":80,"protocol":"tcp"}]},"prevResult":{output}}
        """
            .formatted(Tools.CNI);
    return new Plan(
        "CNI bridge + portmap",
        "true",
        """
        env CNI_CONTAINERID={name}
        env CNI_NETNS=/run/netns/{name}
        env CNI_IFNAME=eth0
        env CNI_PATH=%s
        env XTABLES_LOCKFILE=%s
        join
        env CNI_COMMAND=ADD
        %s%sleave
        env CNI_COMMAND=DEL
        %s%s"""
            .formatted(
                Tools.CNI,
                lock,
                bridge.formatted(Tools.CNI, leases, ""),
                portmap,
                portmap,
                bridge.formatted(Tools.CNI, leases, ",\"prevResult\":{output}")),
        true,
        SandboxesCost.FOR_P99);
  }

  /** A container that sleeps, with a published port. */
  static Plan dockerRun(Path socket) {
    String docker = DockerDaemon.CLIENT + " -H unix://" + socket;
    return new Plan(
        "docker run, rm -f",
        "true",
        """
        bare
        join
        run %1$s run -d --name {name} -p {port}:80 %2$s
        leave
        run %1$s rm -f {name}
        """
            .formatted(docker, Docker.IMAGE),
        true,
        FEW);
  }

  /** A container that runs already joins one more network, and leaves it. */
  static Plan dockerConnect(Path socket) {
    String docker = DockerDaemon.CLIENT + " -H unix://" + socket;
    return new Plan(
        "docker network connect, disconnect",
        "true",
        """
        bare
        join
        run %1$s network connect %2$s hand{hand}
        leave
        run %1$s network disconnect %2$s hand{hand}
        """
            .formatted(docker, Docker.NETWORK),
        false,
        FEW);
  }
}
