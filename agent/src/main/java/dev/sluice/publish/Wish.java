package dev.sluice.publish;

import dev.sluice.model.Backends;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import java.util.Comparator;
import java.util.List;

/**
 * One port specification of a request.
 *
 * @param request which asks for it
 * @param spec one of its ports
 * @param targets those of its targets that are meant, by family
 */
record Wish(PublishRequest request, PortSpec spec, List<Backends> targets) {
  private static final Comparator<Wish> MOST_DEFINITE_FIRST =
      Comparator.comparingInt(
          wish -> {
            if (wish.spec.hostPorts() instanceof PortSpec.Exactly) {
              return 0;
            }
            return wish.spec.hostPorts() instanceof PortSpec.Pool ? 1 : 2;
          });

  Wish {
    targets = List.copyOf(targets);
  }

  /** All that a request asks for. */
  static List<Wish> of(PublishRequest request, List<Backends> targets) {
    return request.ports().stream().map(spec -> new Wish(request, spec, targets)).toList();
  }

  /** Who names a port goes first, so that a free choice of others does not fall on it. */
  static List<Wish> mostDefiniteFirst(List<Wish> wishes) {
    return wishes.stream().sorted(MOST_DEFINITE_FIRST).toList();
  }

  /** The same to those of fewer families. */
  Wish to(List<Backends> some) {
    return new Wish(request, spec, some);
  }

  /** A request for just this. */
  PublishRequest alone() {
    return request.with(List.of(spec));
  }
}
