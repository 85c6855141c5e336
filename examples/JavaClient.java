// One file and nothing to install, for Java 11 or newer: java JavaClient.java "a monkey with a hat" out.png
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

class JavaClient {
    public static void main(String[] args) throws Exception {
        String prompt = args.length > 0 ? args[0] : "a monkey with a hat";
        Path path = Path.of(args.length > 1 ? args[1] : "out.png");
        String server = System.getenv().getOrDefault("SD_B64_URL", "http://127.0.0.1:5000").replaceAll("/$", "");

        String query = "input=" + URLEncoder.encode(prompt, StandardCharsets.UTF_8) + "&steps=20";
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(server + "/image?" + query));
        String key = System.getenv("SD_B64_KEY"); // where the server asks for one
        if (key != null) {
            request.header("Authorization", "Bearer " + key);
        }
        HttpClient client = HttpClient.newHttpClient();
        HttpResponse<byte[]> answer = client.send(request.build(), BodyHandlers.ofByteArray());

        if (answer.statusCode() != 200) {
            System.err.println(new String(answer.body(), StandardCharsets.UTF_8));
            System.exit(1);
        }
        Files.write(path, answer.body());
        System.out.println(path + ", seed " + answer.headers().firstValue("X-Seed").orElse("unknown"));
    }
}
