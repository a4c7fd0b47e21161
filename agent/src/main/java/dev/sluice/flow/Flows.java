package dev.sluice.flow;

import java.util.function.Consumer;

/** The flows the host tracks at this moment. Thread-safe. */
public interface Flows {
  /** Hands every flow that matches to {@code consumer}, in no particular order. */
  void forEach(FlowFilter filter, Consumer<AttributedFlow> consumer);
}
