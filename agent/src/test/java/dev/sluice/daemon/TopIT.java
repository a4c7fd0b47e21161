package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.Lab;
import dev.sluice.testing.Ran;
import dev.sluice.testing.Traffic.Held;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sluice top} of a real agent, in a pipe and on a terminal. */
class TopIT {
  /** A terminal of 24 lines of 60: what was written to it, how it was set before and after. */
  private static final String ON_A_TERMINAL =
      """
      import os, pty, sys, termios
      how, command = sys.argv[1], sys.argv[2:]
      pid, terminal = pty.fork()
      if pid == 0:
        os.environ.pop('NO_COLOR', None)
        os.execvp(command[0], command)
      before = termios.tcgetattr(terminal)
      written = b''
      while written.count(b'\\x1b[H') < 3:
        more = os.read(terminal, 65536)
        written += more
        if b'\\x1b[6n' in more:
          os.write(terminal, b'\\x1b[24;60R')
      raw = termios.tcgetattr(terminal)
      os.write(terminal, b'xq' if how == 'q' else b'\\x03')
      try:
        while True:
          more = os.read(terminal, 65536)
          written += more
          if not more:
            break
      except OSError:
        pass  # nobody has the terminal any more
      code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
      after = termios.tcgetattr(terminal)
      print('code', code)
      print('raw', not raw[3] & termios.ICANON)
      print('restored', before == after)
      print('entered', written.startswith(b'\\x1b[?1049h\\x1b[?25l'))
      print('left', written.endswith(b'\\x1b[?25h\\x1b[?1049l'))
      view = written.split(b'\\x1b[H')[2].split(b'\\x1b[J')[0].decode()
      print(view.replace('\\x1b[K', '').replace('\\r\\n', '\\n'))
      """;

  @AutoClose private Lab lab;
  @AutoClose private BareAgent agent;
  private Path socket = Path.of("/nowhere");

  @BeforeEach
  void start(@TempDir Path directory) {
    socket = directory.resolve("sluice.sock");
    lab = Lab.builder().agentWillConfigureHost().build();
    agent = BareAgent.start(lab.host(), directory);
    agent.api().publish(List.of("8080:80"), Lab.C1, Optional.of("web"));
    agent.api().publish(List.of("8081:80"), Lab.C1, Optional.of("idle"));
  }

  /** Fails if open connections are not counted, a window is assumed, or an escape is printed. */
  @Test
  void one_view_shows_what_is_open() {
    try (Held held = lab.client().traffic().hold(Lab.HOST, 8080, 5)) {
      assertThat(held.answered()).isEqualTo(5);
      String view =
          lab.host()
              .exec(
                  "env",
                  "SLUICE_BUILD=never",
                  KeptAgent.launcher(),
                  "--socket",
                  socket.toString(),
                  "top",
                  "--once")
              .orFail()
              .stdout();
      assertThat(view).doesNotContain("\033");
      List<String> lines = view.lines().toList();
      assertThat(lines.get(0)).matches("sluice top  \\d\\d:\\d\\d:\\d\\d  2 mappings");
      assertThat(lines.get(1))
          .matches("table       \\d+ of \\d+ connections \\(\\d+ %\\), no pressure");
      assertThat(lines.get(2))
          .matches("events      [\\d.]+/s, \\d+ connections open, 0 events lost, 0 consumers");
      assertThat(lines.get(5))
          .matches(
              "web +0\\.0\\.0\\.0:8080->80/tcp +172\\.30\\.0\\.2 +\\S+ +5 +\\S+ +\\S+ +\\S.* ago");
      assertThat(lines.get(6)).matches("idle +0\\.0\\.0\\.0:8081->80/tcp +.* 0 +0 +0B +0B +-");
    }
  }

  private List<String> onATerminal(String how) {
    Ran ran =
        lab.host()
            .exec(
                "/usr/bin/python3",
                "-c",
                ON_A_TERMINAL,
                how,
                "env",
                "SLUICE_BUILD=never",
                KeptAgent.launcher(),
                "--socket",
                socket.toString(),
                "top");
    return ran.orFail().stdout().lines().toList();
  }

  /** Fails if a terminal is left as the view needs it, or a key must be followed by Enter. */
  @Test
  void q_ends_the_view_and_gives_the_terminal_back() {
    List<String> lines = onATerminal("q");
    assertThat(lines.subList(0, 5))
        .containsExactly("code 0", "raw True", "restored True", "entered True", "left True");
    assertThat(lines.get(5)).startsWith("sluice top  ").endsWith("  2 mappings");
    assertThat(lines).allMatch(line -> line.length() <= 60);
  }

  /** Fails if an interrupted view is a failure, or leaves the terminal without a cursor. */
  @Test
  void ctrl_c_ends_the_view_and_gives_the_terminal_back() {
    assertThat(onATerminal("^C").subList(0, 5))
        .containsExactly("code 0", "raw True", "restored True", "entered True", "left True");
  }
}
