package dev.sluice.bench;

import java.nio.file.Path;
import java.util.List;

/**
 * A JDK that benchmarks run on.
 *
 * @param label short and stable, for tables: {@code JDK 17}
 * @param feature the feature release: 17, 25
 * @param java the launcher
 */
public record JavaRuntime(String label, int feature, Path java) {

  /** The first release with {@code java.lang.foreign} as a final feature. */
  public static final int FIRST_WITH_PANAMA = 22;

  /** Where the JDK is: JAVA_HOME. */
  public Path home() {
    return java.resolve("../..").normalize();
  }

  /** Flags that a JVM calling C needs, so that it neither warns nor extracts a library to /tmp. */
  public List<String> flags(Workbench workbench) {
    String jffi = "-Djffi.boot.library.path=" + workbench.jffiLibraryPath();
    String shim = "-Dsluice.bench.native.dir=" + workbench.nativeDirectory();
    return feature >= FIRST_WITH_PANAMA
        ? List.of("--enable-native-access=ALL-UNNAMED", jffi, shim)
        : List.of(jffi, shim);
  }
}
