import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.net.Socket;
import java.util.Scanner;

/** Lines: the server asks with SUBMITNAME, until it answers NAMEACCEPTED; what it says then follows MESSAGE. */
public class SubmitName {
    public static void main(String[] args) throws Exception {
        Socket socket = new Socket(args[0], Integer.parseInt(args[1]));
        Scanner in = new Scanner(socket.getInputStream(), "UTF-8");
        PrintWriter out = new PrintWriter(socket.getOutputStream(), true);
        BufferedReader keyboard = new BufferedReader(new InputStreamReader(System.in));
        while (in.hasNextLine()) {
            String line = in.nextLine();
            if (line.startsWith("SUBMITNAME")) {
                System.out.println("Choose a screen name:");
                out.println(keyboard.readLine());
            } else if (line.startsWith("NAMEACCEPTED")) {
                System.out.println("Chatter - " + line.substring(13));
                Thread typing = new Thread(() -> {
                    try {
                        String typed;
                        while ((typed = keyboard.readLine()) != null) {
                            out.println(typed);
                        }
                    } catch (Exception e) {
                        e.printStackTrace();
                    }
                });
                typing.setDaemon(true);
                typing.start();
            } else if (line.startsWith("MESSAGE")) {
                System.out.println(line.substring(8));
            }
        }
        System.out.println("The server is gone.");
    }
}
