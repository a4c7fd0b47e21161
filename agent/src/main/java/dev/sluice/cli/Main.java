package dev.sluice.cli;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.api.ApiClient;
import dev.sluice.api.ApiOptions;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.cli.demo.DemoCommand;
import dev.sluice.model.InvalidMappingException;
import dev.sluice.model.InvalidNetworkException;
import dev.sluice.net.MalformedValueException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.UnmatchedArgumentException;

/** The command {@code sluice}. */
@Command(
    name = "sluice",
    description = "Publishes container ports and shows what flows through them.%n",
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Examples:",
      "  sluice publish -p 8080:80 -p 127.0.0.1:5353:53/udp --to 172.30.0.2 --name web",
      "  sluice run -p 8080:80 --name web -- python3 -m http.server 80",
      "  sluice ps",
      "  sluice events --mapping web --json",
      "",
      "Exit codes:",
      "  0  done",
      "  1  failed",
      "  2  wrong usage or bad input",
      "  3  the agent cannot be reached",
      "  4  conflict: taken or in use",
      "  5  not found",
      "  6  not permitted"
    })
public final class Main implements Runnable {
  private static final Duration ANSWER_TIMEOUT = Duration.ofMinutes(1);

  private final Terminal terminal;

  @Option(
      names = "--socket",
      paramLabel = "PATH",
      scope = ScopeType.INHERIT,
      description = "The agent's socket (default: /run/sluice/sluice.sock).")
  private Path socket = ApiOptions.DEFAULT_SOCKET;

  @Option(
      names = "--json",
      scope = ScopeType.INHERIT,
      description = "Print JSON; errors are problem documents of RFC 9457.")
  private boolean json;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      scope = ScopeType.INHERIT,
      description = "Show this help.")
  @SuppressWarnings("UnusedVariable") // read by picocli
  private boolean helpRequested;

  private Main(Terminal terminal) {
    this.terminal = terminal;
  }

  /** Runs the command and ends the process with its exit code. */
  public static void main(String[] args) {
    Terminal terminal = Terminal.ofProcess();
    int exitCode = run(terminal, args);
    terminal.out().flush();
    terminal.err().flush();
    System.exit(exitCode);
  }

  /** Runs the command; everything it prints is in the terminal's writers afterwards. */
  public static int run(Terminal terminal, String... args) {
    Main main = new Main(terminal);
    int exitCode = main.commandLineFor(List.of(args)).execute(args);
    terminal.out().flush();
    terminal.err().flush();
    return exitCode;
  }

  /** The command line with every command, to be described and not to be run: for manual pages. */
  public static CommandLine described() {
    PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
    return new Main(new Terminal(nowhere, nowhere, false, Clock.systemUTC())).commandLine();
  }

  /** The command line with every command. */
  CommandLine commandLine() {
    return commandLine(commands());
  }

  /**
   * The command line to run these arguments with. Reading the annotations of a dozen commands takes
   * a tenth of a second, so that it knows only those that the arguments name, and all of them where
   * they name none or ask for help.
   */
  private CommandLine commandLineFor(List<String> arguments) {
    Map<String, Supplier<Object>> named = commands();
    named.keySet().retainAll(arguments);
    boolean all = named.isEmpty() || arguments.contains("-h") || arguments.contains("--help");
    return commandLine(all ? commands() : named);
  }

  private Map<String, Supplier<Object>> commands() {
    Map<String, Supplier<Object>> commands = new LinkedHashMap<>();
    commands.put("publish", () -> new PublishCommand(this));
    commands.put("update", () -> new UpdateCommand(this));
    commands.put("unpublish", () -> new UnpublishCommand(this));
    commands.put("apply", () -> new ApplyCommand(this));
    commands.put("ps", () -> new PsCommand(this));
    commands.put("port", () -> new PortCommand(this));
    commands.put("inspect", () -> new InspectCommand(this));
    commands.put("network", () -> NetworkCommand.commandLine(this));
    commands.put("run", () -> RunCommand.commandLine(this));
    commands.put("flows", () -> new FlowsCommand(this));
    commands.put("events", () -> new EventsCommand(this));
    commands.put("trace", () -> new TraceCommand(this));
    commands.put("top", () -> new TopCommand(this));
    commands.put("explain", () -> new ExplainCommand(this));
    commands.put("ruleset", () -> new RulesetCommand(this));
    commands.put("doctor", () -> new DoctorCommand(this));
    commands.put("version", () -> new VersionCommand(this));
    commands.put("completion", () -> new CompletionCommand(this));
    commands.put("agent", () -> new AgentCommand(this));
    commands.put("demo", () -> new DemoCommand(terminal.out(), terminal.err(), terminal.colours()));
    return commands;
  }

  private CommandLine commandLine(Map<String, Supplier<Object>> commands) {
    CommandLine commandLine = new CommandLine(this);
    commands.forEach((name, command) -> commandLine.addSubcommand(name, command.get()));
    commandLine
        .setOut(terminal.out())
        .setErr(terminal.err())
        .setColorScheme(
            CommandLine.Help.defaultColorScheme(terminal.colours() ? Ansi.ON : Ansi.OFF))
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setParameterExceptionHandler(this::onWrongUsage)
        .setExecutionExceptionHandler((e, command, result) -> onFailure(e));
    return commandLine;
  }

  /** {@code sluice} alone shows its help. */
  @Override
  public void run() {
    commandLine().usage(terminal.out());
  }

  Terminal terminal() {
    return terminal;
  }

  Path socket() {
    return socket;
  }

  boolean json() {
    return json;
  }

  ApiClient client() {
    return new ApiClient(socket, "cli", ANSWER_TIMEOUT);
  }

  /** Prints an error as one sentence, or as a problem document if JSON is wanted. */
  void report(Problem problem) {
    if (json) {
      terminal.err().println(problem.toJson());
      return;
    }
    terminal.err().println("sluice: " + problem.detail());
    if (problem.input().isPresent() && problem.column().isPresent()) {
      String input = problem.input().get();
      int column = Math.max(0, Math.min(problem.column().getAsInt(), input.length()));
      new MalformedValueException(input, column, problem.detail())
          .pointed()
          .lines()
          .forEach(line -> terminal.err().println("  " + line));
    }
  }

  private int onWrongUsage(ParameterException e, String[] args) {
    CommandLine command = e.getCommandLine();
    // --json may stand behind the mistake, where nothing has been read.
    json = json || List.of(args).contains("--json");
    String message = String.valueOf(e.getMessage()).lines().findFirst().orElse("wrong usage");
    report(
        Problem.of(
            Problem.Kind.MALFORMED_REQUEST,
            lowerFirst(message) + "; see " + command.getCommandSpec().qualifiedName() + " --help"));
    if (!json && e instanceof UnmatchedArgumentException unmatched) {
      UnmatchedArgumentException.printSuggestions(unmatched, terminal.err());
    }
    return ExitCode.USAGE;
  }

  private int onFailure(Exception e) {
    if (e instanceof ProblemException refused) {
      report(refused.problem());
      return ExitCode.of(refused.problem());
    }
    if (e instanceof MalformedValueException malformed) {
      report(Problem.of(malformed));
      return ExitCode.USAGE;
    }
    if (e instanceof InvalidMappingException || e instanceof InvalidNetworkException) {
      report(Problem.of(Problem.Kind.INVALID, String.valueOf(e.getMessage())));
      return ExitCode.USAGE;
    }
    if (e instanceof AgentUnreachableException unreachable) {
      int exitCode = ExitCode.of(unreachable);
      report(
          Problem.of(
              exitCode == ExitCode.NOT_PERMITTED
                  ? Problem.Kind.NOT_PERMITTED
                  : Problem.Kind.UNAVAILABLE,
              String.valueOf(unreachable.getMessage())));
      return exitCode;
    }
    if (System.getenv("SLUICE_DEBUG") != null) {
      e.printStackTrace(terminal.err());
    }
    report(
        Problem.of(
            Problem.Kind.INTERNAL,
            "unexpected failure, please report it: "
                + e
                + "; SLUICE_DEBUG=1 shows where it happened"));
    return ExitCode.FAILED;
  }

  private static String lowerFirst(String text) {
    return text.isEmpty() ? text : Character.toLowerCase(text.charAt(0)) + text.substring(1);
  }
}
