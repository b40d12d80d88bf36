import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URL;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** The ordinary things with HttpClient and HttpURLConnection: Ordinary ADDRESS. */
public final class Ordinary {
	private static String base;
	private static int count;

	public static void main(String[] args) throws Exception {
		base = "http://" + args[0];
		withClient();
		withConnection();
		System.out.println(count + " things done");
	}

	private static void check(String what, Object got, Object want) {
		count++;
		if (!want.equals(got)) {
			System.err.println(what + ": " + got + ", want " + want);
			System.exit(1);
		}
	}

	private static HttpRequest.Builder to(String target) {
		return HttpRequest.newBuilder(URI.create(base + target)).timeout(Duration.ofSeconds(30));
	}

	/** As it is by default it offers h2c with each request. */
	private static void withClient() throws Exception {
		HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(30)).build();
		for (int i = 0; i < 20; i++) {
			HttpResponse<String> r = client.send(to("/hello").build(), BodyHandlers.ofString());
			check("GET /hello", r.statusCode() + " " + r.version() + " " + r.body().length(), "200 HTTP_1_1 512");
		}
		List<CompletableFuture<HttpResponse<String>>> many = new ArrayList<>();
		for (int i = 0; i < 50; i++) {
			many.add(client.sendAsync(to("/hello").build(), BodyHandlers.ofString()));
		}
		for (CompletableFuture<HttpResponse<String>> r : many) {
			check("GET /hello, 50 at once", r.get().statusCode(), 200);
		}
		HttpResponse<String> r = client.send(to("/hello").method("HEAD", BodyPublishers.noBody()).build(), BodyHandlers.ofString());
		check("HEAD /hello", r.statusCode() + " " + r.headers().firstValue("content-length").orElse("none"), "200 512");
		r = client.send(to("/echo").POST(BodyPublishers.ofString("by Java")).build(), BodyHandlers.ofString());
		check("POST /echo", r.statusCode() + " " + r.body().contains("\"body\":\"by Java\""), "200 true");
		byte[] body = new byte[300_000];
		r = client.send(to("/echo/digest").POST(BodyPublishers.ofInputStream(() -> new java.io.ByteArrayInputStream(body, 0, 200_000))).build(), BodyHandlers.ofString());
		check("POST in chunks", r.statusCode() + " " + r.body().contains("\"bytes\":200000"), "200 true");
		r = client.send(to("/echo").expectContinue(true).POST(BodyPublishers.ofString("by Java")).build(), BodyHandlers.ofString());
		check("POST with Expect", r.statusCode() + " " + r.body().contains("\"body\":\"by Java\""), "200 true");
		r = client.send(to("/echo/bytes?n=3000000").build(), BodyHandlers.ofString());
		check("GET /echo/bytes", r.statusCode() + " " + r.body().length(), "200 3000000");
		r = client.send(to("/echo/stream?pieces=10&bytes=1000").build(), BodyHandlers.ofString());
		check("GET /echo/stream", r.statusCode() + " " + r.body().length(), "200 10000");
		r = client.send(to("/nothing").build(), BodyHandlers.ofString());
		check("GET /nothing", r.statusCode(), 404);
		r = client.send(to("/profile/103").build(), BodyHandlers.ofString());
		check("GET /profile/103", r.statusCode(), 200);
		String tag = r.headers().firstValue("etag").orElse("none");
		r = client.send(to("/profile/103").header("If-Match", tag).PUT(BodyPublishers.ofString("{\"about\":\"by Java\"}")).build(), BodyHandlers.ofString());
		check("PUT /profile/103", r.statusCode() + " " + r.body().contains("by Java"), "200 true");
	}

	private static void withConnection() throws IOException {
		for (int i = 0; i < 20; i++) {
			HttpURLConnection c = open("GET", "/hello");
			check("GET /hello", c.getResponseCode() + " " + read(c).length(), "200 512");
		}
		HttpURLConnection c = open("HEAD", "/hello");
		check("HEAD /hello", c.getResponseCode() + " " + c.getContentLength(), "200 512");
		c = open("POST", "/echo");
		c.setDoOutput(true);
		write(c, "by Java".getBytes(StandardCharsets.US_ASCII));
		check("POST /echo", c.getResponseCode() + " " + read(c).contains("\"body\":\"by Java\""), "200 true");
		c = open("POST", "/echo/digest");
		c.setDoOutput(true);
		c.setChunkedStreamingMode(1000);
		write(c, new byte[200_000]);
		check("POST in chunks", c.getResponseCode() + " " + read(c).contains("\"bytes\":200000"), "200 true");
		c = open("GET", "/echo/stream?pieces=10&bytes=1000");
		check("GET /echo/stream", c.getResponseCode() + " " + read(c).length(), "200 10000");
		c = open("GET", "/nothing");
		check("GET /nothing", c.getResponseCode(), 404);
		c = open("GET", "/profile/104");
		String tag = c.getHeaderField("ETag");
		check("GET /profile/104", c.getResponseCode() + " " + read(c).contains("\"id\":104"), "200 true");
		c = open("PUT", "/profile/104");
		c.setDoOutput(true);
		c.setRequestProperty("If-Match", tag);
		write(c, "{\"about\":\"by Java\"}".getBytes(StandardCharsets.US_ASCII));
		check("PUT /profile/104", c.getResponseCode() + " " + read(c).contains("by Java"), "200 true");
	}

	private static HttpURLConnection open(String method, String target) throws IOException {
		HttpURLConnection c = (HttpURLConnection) new URL(base + target).openConnection();
		c.setConnectTimeout(30_000);
		c.setReadTimeout(30_000);
		c.setRequestMethod(method);
		c.setRequestProperty("Accept", "application/json"); // by itself it asks for pages
		return c;
	}

	private static void write(HttpURLConnection c, byte[] body) throws IOException {
		try (OutputStream out = c.getOutputStream()) {
			out.write(body);
		}
	}

	private static String read(HttpURLConnection c) throws IOException {
		try (InputStream in = c.getInputStream()) {
			return new String(in.readAllBytes(), StandardCharsets.US_ASCII);
		}
	}
}
