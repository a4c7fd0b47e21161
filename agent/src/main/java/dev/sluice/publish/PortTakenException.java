package dev.sluice.publish;

import dev.sluice.model.HostBinding;

/** A host port is not free. */
final class PortTakenException extends RuntimeException {
  private static final long serialVersionUID = 1L;
  private final transient HostBinding binding;
  private final int port;
  private final boolean byUs;

  PortTakenException(HostBinding binding, int port, boolean byUs) {
    super(
        "port " + port + "/" + binding.protocol() + " on " + binding.addressOrAny() + " is taken");
    this.binding = binding;
    this.port = port;
    this.byUs = byUs;
  }

  HostBinding binding() {
    return binding;
  }

  int port() {
    return port;
  }

  /** Whether a mapping of ours has it, in contrast to a process of the host. */
  boolean byUs() {
    return byUs;
  }
}
