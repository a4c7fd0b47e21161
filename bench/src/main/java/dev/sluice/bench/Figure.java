package dev.sluice.bench;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import java.util.List;

/**
 * One measured quantity: what was done, by which means, on which runtime, and one sample per run.
 *
 * @param subject what was measured, for example {@code recv}
 * @param variant by which means, for example {@code jnr-ffi: address}
 * @param runtime the JDK, {@code C}, or the tool that is compared
 * @param unit of every sample: {@code ns}, {@code µs}, {@code ms}, {@code MB}, {@code B}, {@code
 *     1/s}, {@code ×} for a ratio, {@code 1} for a plain number
 * @param samples one per run, in the order of the runs; a run may itself be a mean or a percentile
 */
@JsonPropertyOrder({
  "subject", "variant", "runtime", "unit", "median", "minimum", "maximum", "samples"
})
public record Figure(
    String subject, String variant, String runtime, String unit, List<Double> samples) {

  /** Takes a copy of the samples; there is at least one. */
  public Figure {
    if (samples.isEmpty()) {
      throw new IllegalArgumentException("no samples: subject=" + subject + ", variant=" + variant);
    }
    samples = List.copyOf(samples);
  }

  /** The median of the runs; of an even number, the mean of the middle two. */
  @JsonProperty
  public double median() {
    List<Double> sorted = samples.stream().sorted().toList();
    int middle = sorted.size() / 2;
    return sorted.size() % 2 == 1
        ? sorted.get(middle)
        : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
  }

  /** The smallest sample. */
  @JsonProperty
  public double minimum() {
    return samples.stream().mapToDouble(Double::doubleValue).min().orElseThrow();
  }

  /** The largest sample. */
  @JsonProperty
  public double maximum() {
    return samples.stream().mapToDouble(Double::doubleValue).max().orElseThrow();
  }
}
