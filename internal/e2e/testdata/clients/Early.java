import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.HttpRetryException;
import java.net.HttpURLConnection;
import java.net.URL;

/** Uploads with HttpURLConnection: early.py, in Java. */
public final class Early {
	private static final byte[] PIECE = new byte[64 << 10];

	public static void main(String[] args) throws IOException {
		System.setProperty("http.keepAlive", "false");
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		for (String line = in.readLine(); line != null; line = in.readLine()) {
			String[] f = line.split(" ");
			System.out.println(upload(args[0], f[0], f[1], Long.parseLong(f[2]), f[3]));
		}
	}

	private static String upload(String address, String method, String target, long n, String how) {
		try {
			HttpURLConnection c = (HttpURLConnection) new URL("http://" + address + target).openConnection();
			c.setConnectTimeout(60_000);
			c.setReadTimeout(60_000);
			c.setRequestMethod(method);
			c.setDoOutput(true);
			switch (how) {
				case "chunked": c.setChunkedStreamingMode(64 << 10); break;
				case "expect": c.setRequestProperty("Expect", "100-Continue"); // and
				default: c.setFixedLengthStreamingMode(n);
			}
			if (how.equals("miracles")) {
				c.setRequestProperty("Expect", how);
			}
			try (OutputStream out = c.getOutputStream()) {
				for (long left = n; left > 0; left -= PIECE.length) {
					out.write(PIECE, 0, (int) Math.min(left, PIECE.length));
				}
			} catch (java.net.ProtocolException e) {
				// How it says that the answer to Expect isn't 100.
				if (!how.equals("expect")) {
					throw e;
				}
			}
			int status = c.getResponseCode();
			try (InputStream body = status < 400 ? c.getInputStream() : c.getErrorStream()) {
				if (body != null) {
					body.readAllBytes();
				}
			}
			return Integer.toString(status);
		} catch (HttpRetryException e) { // its way to say 401 to who streams
			return Integer.toString(e.responseCode());
		} catch (IOException e) {
			return e.toString();
		}
	}
}
