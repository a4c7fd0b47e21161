package dev.sluice.bench.sandboxes;

import dev.sluice.api.ApiClient;
import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** {@code ./sluice agent}, asked by clients that stay connected. */
final class SluiceApi implements Contender {
  static final String LABEL = "Sluice";

  private final SluiceCycles cycles = new SluiceCycles();
  private final AgentProcess agent;
  private final List<Client> clients = new ArrayList<>();

  private record Client(ApiClient api) implements SluiceCycles.Hand {
    @Override
    public void join(SandboxRequest request) {
      api.create(request);
    }

    @Override
    public void leave(SandboxName name) {
      api.removeSandbox(name);
    }
  }

  SluiceApi(Workbench workbench, JavaRuntime runtime) throws IOException {
    agent = AgentProcess.start(workbench, runtime);
    for (int i = 0; i < SandboxesCost.HANDS; i++) {
      clients.add(new Client(ApiClient.to(agent.socket())));
    }
    clients.forEach(client -> client.api().facts());
    clients.get(0).api().create(SluiceCycles.network());
  }

  @Override
  public String label() {
    return LABEL;
  }

  @Override
  public int cycles() {
    return SandboxesCost.FOR_P99;
  }

  @Override
  public int warmUp() {
    return SandboxesCost.FOR_P99;
  }

  @Override
  public boolean isWhole() {
    return true;
  }

  @Override
  public List<Cycle> run(int count, int hands) throws IOException, InterruptedException {
    return cycles.run(clients.subList(0, hands), count);
  }

  @Override
  public List<String> remains() throws IOException, InterruptedException {
    return Remains.of("/proc/" + agent.pid() + "/ns/net");
  }

  @Override
  public long descriptors() throws IOException {
    return Remains.descriptorsOf(agent.pid());
  }

  @Override
  public void close() throws IOException {
    clients.forEach(client -> client.api().close());
    agent.close();
  }
}
