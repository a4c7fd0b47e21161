package dev.sluice.api;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.model.Owner;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.hc.core5.http.ClassicHttpRequest;
import org.apache.hc.core5.http.ClassicHttpResponse;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.Header;
import org.apache.hc.core5.http.HttpEntity;
import org.apache.hc.core5.http.HttpException;
import org.apache.hc.core5.http.io.HttpServerRequestHandler.ResponseTrigger;
import org.apache.hc.core5.http.io.entity.ByteArrayEntity;
import org.apache.hc.core5.http.io.entity.EntityTemplate;
import org.apache.hc.core5.http.message.BasicClassicHttpResponse;
import org.apache.hc.core5.io.IOCallback;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.exc.JacksonIOException;

/** One request and the way back. */
final class Exchange {
  private static final ContentType PROBLEM = ContentType.create(Problem.MEDIA_TYPE);

  private final ClassicHttpRequest request;
  private final ResponseTrigger trigger;
  private final ApiConnection connection;
  private final ApiOptions options;
  private List<String> parts = List.of();
  private boolean bodyRead;
  private boolean answered;

  Exchange(
      ClassicHttpRequest request,
      ResponseTrigger trigger,
      ApiConnection connection,
      ApiOptions options) {
    this.request = request;
    this.trigger = trigger;
    this.connection = connection;
    this.options = options;
  }

  ClassicHttpRequest request() {
    return request;
  }

  ApiConnection connection() {
    return connection;
  }

  /** Whether an answer has begun. */
  boolean answered() {
    return answered;
  }

  String path() {
    String uri = request.getPath();
    int query = uri.indexOf('?');
    return query < 0 ? uri : uri.substring(0, query);
  }

  Query query(String... known) {
    String uri = request.getPath();
    int query = uri.indexOf('?');
    return new Query(query < 0 ? "" : uri.substring(query + 1), Set.of(known));
  }

  /** Keeps what the variable parts of the path are, as they were sent. */
  void keep(List<String> variableParts) {
    parts = variableParts;
  }

  /** The variable part of the path with this index, decoded. */
  String part(int index) {
    String encoded = parts.get(index);
    try {
      return URLDecoder.decode(encoded.replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      throw new ProblemException(
          Problem.Kind.MALFORMED_REQUEST, quote(encoded) + " is not percent-encoded correctly");
    }
  }

  /** Whom what is made belongs to. */
  Owner owner() {
    Header client = request.getFirstHeader(ApiClient.CLIENT_HEADER);
    return client != null && "cli".equals(client.getValue()) ? Owner.CLI : Owner.API;
  }

  /** Whether the client asks for this type, in so many words. */
  boolean accepts(ContentType type) {
    Header accept = request.getFirstHeader("Accept");
    return accept != null
        && Arrays.stream(accept.getValue().split(","))
            .map(one -> one.split(";", 2)[0].strip())
            .anyMatch(type.getMimeType()::equalsIgnoreCase);
  }

  byte[] body() throws HttpException, IOException {
    HttpEntity entity = request.getEntity();
    if (entity == null) {
      bodyRead = true;
      return new byte[0];
    }
    String type = entity.getContentType();
    if (type != null
        && !type.toLowerCase(Locale.ROOT).split(";", 2)[0].strip().equals("application/json")) {
      throw new ProblemException(
          Problem.Kind.UNSUPPORTED_MEDIA_TYPE,
          "the body must be application/json, not " + quote(type));
    }
    if (entity.getContentLength() > options.maxBodyBytes()) {
      throw tooLarge();
    }
    Header expect = request.getFirstHeader("Expect");
    if (expect != null && "100-continue".equalsIgnoreCase(expect.getValue())) {
      trigger.sendInformation(new BasicClassicHttpResponse(100));
    }
    byte[] body = entity.getContent().readNBytes(options.maxBodyBytes() + 1);
    if (body.length > options.maxBodyBytes()) {
      throw tooLarge();
    }
    bodyRead = true;
    return body;
  }

  private ProblemException tooLarge() {
    return new ProblemException(
        Problem.Kind.TOO_LARGE,
        "the body is larger than "
            + options.maxBodyBytes()
            + " bytes; split the request into several");
  }

  void answer(int status, Consumer<JsonGenerator> writer) throws HttpException, IOException {
    answer(status, ApiJson.bytes(writer));
  }

  void answer(int status, byte[] json) throws HttpException, IOException {
    BasicClassicHttpResponse response = new BasicClassicHttpResponse(status);
    response.setEntity(new ByteArrayEntity(json, ContentType.APPLICATION_JSON));
    submit(response);
  }

  void answer(Problem problem) throws HttpException, IOException {
    if (request.getEntity() != null && !bodyRead) {
      // We do not read what we do not want: the answer goes out and the connection ends.
      throw new RefusedException(problem);
    }
    submit(response(problem));
  }

  static BasicClassicHttpResponse response(Problem problem) {
    BasicClassicHttpResponse response = new BasicClassicHttpResponse(problem.kind().status());
    response.setEntity(
        new ByteArrayEntity((problem.toJson() + "\n").getBytes(StandardCharsets.UTF_8), PROBLEM));
    return response;
  }

  void stream(ContentType type, IOCallback<OutputStream> writer) throws HttpException, IOException {
    BasicClassicHttpResponse response = new BasicClassicHttpResponse(200);
    response.setEntity(new EntityTemplate(type, out -> writeOrBreakOff(writer, out)));
    submit(response);
  }

  /**
   * The library ends a chunked answer properly even after a failure, which would make half a list
   * look like a whole one.
   */
  private void writeOrBreakOff(IOCallback<OutputStream> writer, OutputStream out)
      throws IOException {
    boolean complete = false;
    try {
      writer.execute(out);
      complete = true;
    } finally {
      if (!complete) {
        connection.socket().abort();
      }
    }
  }

  void submit(ClassicHttpResponse response) throws HttpException, IOException {
    answered = true;
    try {
      trigger.submitResponse(response);
    } catch (JacksonIOException e) {
      throw e.getCause();
    }
  }

  /** Ends a connection with an answer, without reading the rest of the request. */
  static final class RefusedException extends HttpException {
    private static final long serialVersionUID = 1L;
    private final transient Problem problem;

    RefusedException(Problem problem) {
      super(problem.detail());
      this.problem = problem;
    }

    Problem problem() {
      return problem;
    }
  }
}
