package dev.sluice.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Collects samples run by run and hands them out as figures, in the order they were first seen. */
public final class Figures {
  private record Key(String subject, String variant, String runtime, String unit) {}

  private final Map<Key, List<Double>> samples = new LinkedHashMap<>();

  /** Adds one run's sample. */
  public void add(String subject, String variant, String runtime, String unit, double sample) {
    samples
        .computeIfAbsent(new Key(subject, variant, runtime, unit), key -> new ArrayList<>())
        .add(sample);
  }

  /** Adds one run's count of something. */
  public void count(String subject, String variant, String runtime, long sample) {
    add(subject, variant, runtime, "1", (double) sample);
  }

  /** Everything collected so far. */
  public List<Figure> toList() {
    return samples.entrySet().stream()
        .map(
            e ->
                new Figure(
                    e.getKey().subject(),
                    e.getKey().variant(),
                    e.getKey().runtime(),
                    e.getKey().unit(),
                    e.getValue()))
        .toList();
  }
}
