import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.PrintStream;
import java.net.Socket;
import java.util.Scanner;

/** writeUTF and readUTF; the first text is the name, and "bye" leaves. */
public class WriteUtf {
    public static void main(String[] args) throws Exception {
        Socket socket = new Socket(args[0], Integer.parseInt(args[1]));
        DataInputStream in = new DataInputStream(socket.getInputStream());
        DataOutputStream out = new DataOutputStream(socket.getOutputStream());
        PrintStream screen = new PrintStream(System.out, true, "UTF-8");
        Thread receiving = new Thread(() -> {
            try {
                while (true) {
                    screen.println(in.readUTF());
                }
            } catch (Exception e) {
                screen.println("The connection is closed: " + e.getClass().getSimpleName());
            }
        });
        receiving.start();
        Scanner keyboard = new Scanner(System.in, "UTF-8");
        out.writeUTF(args[2]);
        while (receiving.isAlive() && keyboard.hasNextLine()) {
            out.writeUTF(keyboard.nextLine());
        }
    }
}
