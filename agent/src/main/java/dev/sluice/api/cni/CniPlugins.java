package dev.sluice.api.cni;

import dev.sluice.api.cni.CniException.Code;
import dev.sluice.model.InvalidMappingException;
import dev.sluice.model.InvalidNetworkException;
import dev.sluice.net.MalformedValueException;
import dev.sluice.network.NetworkException;
import dev.sluice.network.NetworkService;
import dev.sluice.publish.PublishException;
import dev.sluice.publish.Publisher;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The plugins, and what every call of them has in common: it is read, what waits from when no agent
 * was there is worked off first, and whatever goes wrong becomes one CNI error. Thread-safe.
 */
public final class CniPlugins {
  private static final Logger LOG = LoggerFactory.getLogger(CniPlugins.class);

  /** More than there are connections. */
  private static final int TURNS = 256;

  private final Map<String, CniPlugin> plugins;
  private final CniSpool spool;

  /** What is asked about one container is done one after the other; here by its id. */
  private final Object[] turns = Stream.generate(Object::new).limit(TURNS).toArray();

  /** What a GC leaves alone it must not overtake. */
  private final ReadWriteLock collecting = new ReentrantReadWriteLock();

  /**
   * @param spool what clients left while no agent was there
   */
  public CniPlugins(Publisher publisher, NetworkService networks, CniSpool spool) {
    this.plugins =
        Map.of("sluice", new PortMapper(publisher), "sluice-bridge", new BridgePlugin(networks));
    this.spool = spool;
  }

  /** Works off what was left; called once before there is anybody to answer. */
  public void resume() {
    spool.workOff(this::carryOutLater);
  }

  /**
   * Carries a call out, unless its caller has given up before its turn came: he has cleaned up
   * behind it by then, or does so when he sees that it has failed.
   *
   * @param request the body of {@code POST /v1/cni}
   * @param callerHasLeft whether nobody waits for the answer any more
   */
  public CniAnswer answer(byte[] request, BooleanSupplier callerHasLeft) {
    // A DEL that waits is older than this call, which may want the same port.
    resume();
    return carryOut(request, callerHasLeft);
  }

  /** Whether it is done with: what fails for good is not tried again. */
  private boolean carryOutLater(byte[] request) {
    CniAnswer answer = carryOut(request, () -> false);
    if (!answer.succeeded()) {
      LOG.warn("a CNI request that waited for the agent failed: {}", answer.body().strip());
    }
    return !answer.keepForLater();
  }

  private CniAnswer carryOut(byte[] request, BooleanSupplier callerHasLeft) {
    CniVersion version = CniVersion.NEWEST;
    boolean isDel = false;
    try {
      CniCall call = CniCall.read(request);
      isDel = call.verb() == CniVerb.DEL;
      CniJson json =
          CniJson.parse(
              "the network configuration", call.config().getBytes(StandardCharsets.UTF_8));
      version = CniVersion.parse(json.string("cniVersion").orElse(""));
      call.verb().checkIsIn(version);
      return inTurn(call, CniConfig.of(version, json), callerHasLeft);
    } catch (RuntimeException e) {
      CniException explained = explain(e);
      return CniAnswer.of(
          explained, version, isDel && explained.code() == CniException.Code.TRY_AGAIN_LATER);
    }
  }

  private CniAnswer inTurn(CniCall call, CniConfig config, BooleanSupplier callerHasLeft) {
    Lock lock = call.verb() == CniVerb.GC ? collecting.writeLock() : collecting.readLock();
    lock.lock();
    try {
      synchronized (turns[Math.floorMod(call.containerId().hashCode(), TURNS)]) {
        // Who has left may have sent a DEL since, and that may have been carried out.
        if (callerHasLeft.getAsBoolean()) {
          throw CniException.of(
              Code.TRY_AGAIN_LATER, "the caller has not waited until the agent came to its call");
        }
        return carryOut(call, config);
      }
    } finally {
      lock.unlock();
    }
  }

  private CniAnswer carryOut(CniCall call, CniConfig config) {
    CniPlugin plugin = plugins.get(call.plugin());
    if (plugin == null) {
      throw CniException.of(
          Code.INVALID_ENVIRONMENT,
          "there is no plugin " + CniException.quoted(call.plugin()) + " of Sluice's");
    }
    switch (call.verb()) {
      case STATUS -> {} // whoever reads this can be used
      case GC -> plugin.collect(config.network(), config.validAttachments());
      case ADD -> {
        CniResult result = plugin.add(attachment(call, config), call.namespacePath(), config);
        return CniAnswer.of(result, config.version());
      }
      case DEL -> plugin.delete(attachment(call, config));
      case CHECK -> plugin.check(attachment(call, config), call.namespacePath(), config);
    }
    return CniAnswer.DONE;
  }

  private static Attachment attachment(CniCall call, CniConfig config) {
    return Attachment.of(config.network(), call.containerId(), call.interfaceName());
  }

  private static CniException explain(RuntimeException e) {
    if (e instanceof CniException already) {
      return already;
    }
    if (e instanceof MalformedValueException
        || e instanceof InvalidMappingException
        || e instanceof InvalidNetworkException) {
      return CniException.of(Code.INVALID_CONFIGURATION, e);
    }
    if (e instanceof PublishException refused) {
      return CniException.of(
          switch (refused.kind()) {
            case INVALID -> Code.INVALID_CONFIGURATION;
            case CONFLICT -> Code.TAKEN;
            case NOT_FOUND -> Code.UNREACHABLE;
            case UNAVAILABLE -> Code.TRY_AGAIN_LATER;
          },
          e);
    }
    if (e instanceof NetworkException refused) {
      return CniException.of(
          switch (refused.kind()) {
            case INVALID -> Code.INVALID_CONFIGURATION;
            case CONFLICT -> Code.TAKEN;
            case NOT_FOUND -> Code.UNKNOWN_CONTAINER;
            case UNAVAILABLE, UNCERTAIN -> Code.TRY_AGAIN_LATER;
          },
          e);
    }
    String reference = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
    LOG.error("a CNI request failed, reference {}", reference, e);
    return CniException.of(
        Code.INTERNAL,
        "the agent failed to handle the request; its log says why under reference " + reference);
  }
}
