package dev.sluice.ffi;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;

/**
 * Signals to this process. The JDK can handle them only through {@code sun.misc.Signal} of its
 * module jdk.unsupported, which is there in all of them but cannot be named in source without a
 * warning; hence by reflection.
 */
public final class Signals {
  private Signals() {}

  /**
   * Has {@code action} run, on a thread of the virtual machine, at each such signal from now on, in
   * place of what it did before. Programs that are started get the signal's default again.
   *
   * @param name without SIG: {@code HUP}
   * @throws IllegalStateException if this virtual machine cannot do that
   */
  public static void handle(String name, Runnable action) {
    try {
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Object proxy =
          Proxy.newProxyInstance(
              Signals.class.getClassLoader(),
              new Class<?>[] {handler},
              (self, method, arguments) -> {
                if (method.getName().equals("handle")) {
                  action.run();
                  return null;
                }
                return method.invoke(action, arguments); // those of Object
              });
      signal
          .getMethod("handle", signal, handler)
          .invoke(null, signal.getConstructor(String.class).newInstance(name), proxy);
    } catch (ClassNotFoundException
        | NoSuchMethodException
        | InstantiationException
        | IllegalAccessException
        | InvocationTargetException e) {
      throw new IllegalStateException("this Java cannot handle SIG" + name + ": " + e, e);
    }
  }
}
