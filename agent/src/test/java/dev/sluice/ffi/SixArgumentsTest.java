package dev.sluice.ffi;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import jnr.ffi.provider.jffi.NoX86;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * jnr-ffi's own stubs for x86-64 pass rubbish as sixth argument (jnr-ffi issue 181): an interface
 * with such a function must do without them.
 */
class SixArgumentsTest {
  /** Fails if {@code sendto} comes back to LibcCalls, or {@code @NoX86} leaves ShimCalls. */
  @ParameterizedTest
  @ValueSource(classes = {LibcCalls.class, ShimCalls.class})
  void noFunctionOfSixArgumentsIsBoundThroughTheStubs(Class<?> calls) {
    if (calls.isAnnotationPresent(NoX86.class)) {
      return;
    }
    assertThat(calls.getMethods()).allMatch(method -> method.getParameterCount() < 6);
  }

  /** Fails if the rule above looks at an interface that has no functions. */
  @Test
  void theInterfacesHaveFunctions() {
    assertThat(Arrays.asList(LibcCalls.class.getMethods())).hasSizeGreaterThan(10);
    assertThat(ShimCalls.class.isAnnotationPresent(NoX86.class)).isTrue();
  }
}
