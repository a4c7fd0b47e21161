package dev.sluice.bench.sandboxes;

import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.ProbeProcess;
import java.io.IOException;
import java.util.List;

/** The inside of an agent: no API in between. */
final class SluiceInside implements Contender {
  private final ProbeProcess probe;

  SluiceInside(Workbench workbench, JavaRuntime runtime) throws IOException {
    probe = ProbeProcess.start(workbench, runtime, SandboxProbe.class);
  }

  @Override
  public String label() {
    return "Sluice, inside";
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
    return Cycle.parseAll(List.of(probe.ask(count + " " + hands).split(",", -1)));
  }

  @Override
  public List<String> remains() throws IOException, InterruptedException {
    return Remains.of("/proc/" + probe.pid() + "/ns/net");
  }

  @Override
  public long descriptors() throws IOException {
    return Remains.descriptorsOf(probe.pid());
  }

  @Override
  public void close() {
    probe.close();
  }
}
