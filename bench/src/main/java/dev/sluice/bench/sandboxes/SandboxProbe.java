package dev.sluice.bench.sandboxes;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.sluice.bench.agent.WiredAgent;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.network.Networks;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The inside of an agent in the namespace of this process: to every line {@code COUNT HANDS} it
 * answers with as many cycles, separated by commas. Ends with its input.
 */
final class SandboxProbe implements SluiceCycles.Hand {
  private final Networks networks;

  private SandboxProbe(Networks networks) {
    this.networks = networks;
  }

  public static void main(String[] arguments) throws IOException, InterruptedException {
    WiredAgent agent = new WiredAgent();
    agent.publisher().resume();
    agent.followFlows();
    SandboxProbe probe = new SandboxProbe(agent.followedNetworks());
    probe.networks.create(SluiceCycles.network());
    SluiceCycles cycles = new SluiceCycles();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, US_ASCII));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] words = line.split(" ", 2);
      List<Cycle> lives =
          cycles.run(
              Collections.nCopies(Integer.parseInt(words[1]), probe), Integer.parseInt(words[0]));
      System.out.println(lives.stream().map(Cycle::toString).collect(Collectors.joining(",")));
    }
  }

  @Override
  public void join(SandboxRequest request) {
    networks.create(request);
  }

  @Override
  public void leave(SandboxName name) {
    networks.remove(name);
  }
}
