package dev.sluice.api.cni;

import dev.sluice.api.FakeAgent;
import dev.sluice.model.Backends;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingCounters;
import dev.sluice.model.MappingId;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.Family;
import dev.sluice.net.IpAddress;
import dev.sluice.publish.PublishException;
import dev.sluice.publish.Publisher;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A publisher that keeps in memory what CNI asks it to, and is asked nothing else. */
final class Published {
  private final Map<MappingName, List<Mapping>> byName = new LinkedHashMap<>();
  private int calls;
  private @Nullable RuntimeException failure;
  private @Nullable String awaited;
  private Callable<?> step = () -> true;

  /** Plugins that publish here, and for which nothing waits. */
  CniPlugins plugins() {
    return new CniPlugins(
        publisher(),
        new FakeAgent().networks(),
        CniSpool.beside(Path.of("/nonexistent/sluice.sock")));
  }

  /** The face that plugins see. */
  Publisher publisher() {
    return (Publisher)
        Proxy.newProxyInstance(
            Published.class.getClassLoader(),
            new Class<?>[] {Publisher.class},
            (proxy, method, arguments) -> call(method.getName(), arguments));
  }

  @SuppressWarnings("unchecked")
  private Object call(String method, Object[] arguments) throws Exception {
    calls++;
    if (method.equals(awaited)) {
      step.call();
    }
    if (failure != null) {
      throw failure;
    }
    return switch (method) {
      case "keep" ->
          keep(
              (Owner) arguments[0],
              (MappingName) arguments[1],
              (List<PublishRequest>) arguments[2]);
      case "withdraw" -> withdraw((Owner) arguments[0], (MappingName) arguments[1]);
      case "namesOf" -> Set.copyOf(byName.keySet());
      case "find" -> find((String) arguments[0]);
      default -> throw new UnsupportedOperationException(method);
    };
  }

  private List<Mapping> keep(Owner owner, MappingName name, List<PublishRequest> requests) {
    List<Mapping> now = new ArrayList<>();
    for (PublishRequest request : requests) {
      if (owner != Owner.CNI
          || request.owner() != owner
          || !request.name().equals(Optional.of(name))) {
        throw new IllegalArgumentException("of another owner or name: " + request);
      }
      for (PortSpec spec : request.ports()) {
        for (Backends target : request.to().resolve(sandbox -> List.of())) {
          if (spec.hostAddress().map(IpAddress::family).orElse(target.family())
              == target.family()) {
            now.add(mapping(name, spec, target));
          }
        }
      }
    }
    byName.put(name, now);
    return now;
  }

  private static Mapping mapping(MappingName name, PortSpec spec, Backends target) {
    return new Mapping(
        MappingId.random(),
        Optional.of(name),
        Owner.CNI,
        spec.protocol(),
        target.family(),
        spec.hostAddress(),
        ((PortSpec.Exactly) spec.hostPorts()).ports(),
        target,
        spec.targetPorts(),
        Instant.EPOCH,
        MappingOptions.NONE);
  }

  private List<Mapping> withdraw(Owner owner, MappingName name) {
    List<Mapping> before = byName.remove(name);
    return owner != Owner.CNI || before == null ? List.of() : before;
  }

  private List<PublishedMapping> find(String name) {
    List<Mapping> found = byName.get(new MappingName(name));
    if (found == null) {
      throw new PublishException(PublishException.Kind.NOT_FOUND, "nothing is called " + name);
    }
    return found.stream().map(one -> new PublishedMapping(one, MappingCounters.ZERO)).toList();
  }

  /** What is published, as {@code 0.0.0.0:8080/tcp>10.88.0.2:80}. */
  List<String> lines() {
    return mappings()
        .map(
            one ->
                one.key()
                    + ">"
                    + (one.family() == Family.IPV6
                        ? "[" + one.targetAddress() + "]:" + one.targetPorts()
                        : one.targetText()))
        .toList();
  }

  /** The names of those who have something published, empty or not. */
  Set<MappingName> names() {
    return new LinkedHashSet<>(byName.keySet());
  }

  private Stream<Mapping> mappings() {
    return byName.values().stream().flatMap(List::stream);
  }

  /** How often it was called since this was asked last. */
  int calls() {
    int before = calls;
    calls = 0;
    return before;
  }

  /** What happens before each call of a method. */
  void before(String method, Callable<?> step) {
    this.awaited = method;
    this.step = step;
  }

  /** The next calls fail like this; null: no more. */
  void failWith(@Nullable RuntimeException e) {
    failure = e;
  }
}
