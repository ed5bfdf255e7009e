// picalculator.cs: computes digits of pi on the grid, as an application in C#.
//
//     picalculator DIGITS [--progress] [--task MODULE] [--function NAME]
//
// DIGITS is rounded up to a multiple of nine: each task gives nine. Without --progress every task is
// queued, waiting for room where the queue is full, and then the end is awaited. With it nothing
// waits for long: the program stays awake for showing how far it is, and for Ctrl-C, which cancels.
//
// It calls the C API (hxgrid.h) and needs nothing but the library; `Grid` has the declarations.
using System;
using System.Diagnostics;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;

// The part of hxgrid.h that this program uses. Names and order are those of the header.
static class Grid
{
#if WINDOWS
    const string Library = "hxGridUserDLL.dll";
#else
    const string Library = "hxgriduser";
#endif

    public const int Ok = 0;
    public const int Full = 27;
    public const int TimedOut = 28;
    public const int Forever = -1;
    public const uint NotBlocking = 1;

    [StructLayout(LayoutKind.Sequential)]
    public struct OpenOptions
    {
        public uint StructSize;
        public uint Flags;
        public IntPtr Address;
        public IntPtr Settings;
        public IntPtr Bridge;
        public uint TimeoutMs;
        public uint Agents;
        public uint Slots;
        public uint Unused;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct RunOptions
    {
        public uint StructSize;
        public uint Flags;
        public double TimeLimitS;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Result
    {
        public uint StructSize;
        public int Status;
        public uint Task;
        public uint Unused;
        public IntPtr Data;
        public ulong Bytes;
        public IntPtr Why;
        public IntPtr Details;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Connection
    {
        public uint StructSize;
        public uint IsConnected;
        public uint Agents;
        public uint Slots;
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate void Done(IntPtr result, IntPtr userData);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    static extern IntPtr hxg_last_error();

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int hxg_open(out IntPtr session, ref OpenOptions options);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int hxg_close(IntPtr session, int cancel);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int hxg_run(out uint task, IntPtr session, byte[] modules, byte[] function,
                                     byte[] data, ulong bytes, ref RunOptions options, Done done,
                                     IntPtr userData);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int hxg_wait_all(IntPtr session, int timeoutMs);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int hxg_wait_event(IntPtr session, int timeoutMs);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int hxg_count(out uint count, IntPtr session);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int hxg_cancel_all(IntPtr session);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int hxg_get_connection(ref Connection connection, IntPtr session);

    // Texts are UTF-8 with a zero at the end, on every system.
    public static byte[] Text(string text) { return Encoding.UTF8.GetBytes(text + "\0"); }

    public static string Text(IntPtr text)
    {
        int length = 0;
        while (Marshal.ReadByte(text, length) != 0) length++;
        byte[] bytes = new byte[length];
        Marshal.Copy(text, bytes, 0, length);
        return Encoding.UTF8.GetString(bytes);
    }

    public static void Check(int status)
    {
        if (status != Ok) throw new InvalidOperationException(Text(hxg_last_error()));
    }
}

// One computation.
sealed class Pi
{
    public const uint DigitsPerBlock = 9;
    public const uint LastPosition = 480000; // of the task
    const int LookEveryMs = 100;

    readonly IntPtr session;
    readonly byte[] module;
    readonly byte[] function;
    readonly byte[] found;
    // The collector must not take the delegate while the library may call it.
    readonly Grid.Done place;
    int blocksDone;
    string failure;
    volatile bool isCancelled;

    public Pi(IntPtr session, uint digits, string module, string function)
    {
        this.session = session;
        this.module = Grid.Text(module);
        this.function = Grid.Text(function);
        found = new byte[digits];
        place = Place;
    }

    public void Cancel() { isCancelled = true; }

    // The simple way: queue everything, then wait.
    public string Compute()
    {
        for (uint position = 1; position <= found.Length; position += DigitsPerBlock)
        {
            Grid.Check(Run(position, 0));
        }
        Grid.hxg_wait_all(session, Grid.Forever);
        return Answer();
    }

    // The way of programs with a window: no call waits for longer than a tenth of a second.
    public string ComputeAwake()
    {
        uint position = 1;
        while (position <= found.Length && !isCancelled)
        {
            int status = Run(position, Grid.NotBlocking);
            if (status == Grid.Full)
            {
                Grid.hxg_wait_event(session, LookEveryMs);
                Show();
                continue;
            }
            Grid.Check(status);
            position += DigitsPerBlock;
        }
        while (!isCancelled && Count() != 0)
        {
            Show();
            Grid.hxg_wait_event(session, LookEveryMs);
        }
        if (isCancelled) Grid.hxg_cancel_all(session);
        Show();
        Console.Error.WriteLine();
        return Answer();
    }

    int Run(uint position, uint flags)
    {
        Grid.RunOptions options = new Grid.RunOptions();
        options.StructSize = (uint)Marshal.SizeOf(typeof(Grid.RunOptions));
        options.Flags = flags;
        byte[] data = BitConverter.GetBytes(position);
        uint task;
        return Grid.hxg_run(out task, session, module, function, data, (ulong)data.Length,
                            ref options, place, IntPtr.Zero);
    }

    // Called on a thread of the library, once per task, whatever becomes of it.
    void Place(IntPtr raw, IntPtr userData)
    {
        Grid.Result result = (Grid.Result)Marshal.PtrToStructure(raw, typeof(Grid.Result));
        if (result.Status != Grid.Ok)
        {
            failure = Grid.Text(result.Why);
            return;
        }
        if (result.Bytes != 4 + DigitsPerBlock) return;
        int position = Marshal.ReadInt32(result.Data);
        if (position < 1 || position - 1 + DigitsPerBlock > found.Length) return;
        IntPtr block = new IntPtr(result.Data.ToInt64() + 4);
        Marshal.Copy(block, found, position - 1, (int)DigitsPerBlock);
        Interlocked.Increment(ref blocksDone);
    }

    uint Count()
    {
        uint count;
        Grid.Check(Grid.hxg_count(out count, session));
        return count;
    }

    void Show()
    {
        Grid.Connection connection = new Grid.Connection();
        connection.StructSize = (uint)Marshal.SizeOf(typeof(Grid.Connection));
        Grid.hxg_get_connection(ref connection, session);
        Console.Error.Write("\r{0} of {1} digits, {2} agents ", blocksDone * DigitsPerBlock,
                            found.Length, connection.Agents);
    }

    string Answer()
    {
        if (isCancelled) throw new InvalidOperationException("cancelled");
        if (blocksDone * DigitsPerBlock != found.Length)
        {
            throw new InvalidOperationException(failure ?? "some digits could not be computed");
        }
        return Encoding.ASCII.GetString(found);
    }
}

static class Program
{
    static uint digits;
    static bool showsProgress;
    // The file for each agent's system is found by this one name. It lies beside this program, which
    // the library cannot know: it sees the program that runs C#.
    static string module = Path.Combine(AppDomain.CurrentDomain.BaseDirectory, "pi_task_cpp.dll");
    static string function = "RunTask";

    static bool Understand(string[] arguments)
    {
        for (int index = 0; index < arguments.Length; index++)
        {
            string argument = arguments[index];
            uint wanted;
            if (argument == "--progress") showsProgress = true;
            else if (argument == "--task" && index + 1 < arguments.Length) module = arguments[++index];
            else if (argument == "--function" && index + 1 < arguments.Length) function = arguments[++index];
            else if (digits != 0 || !uint.TryParse(argument, out wanted)) return false;
            else digits = wanted;
        }
        return digits >= 1 && digits < Pi.LastPosition;
    }

    static string Compute()
    {
        Grid.OpenOptions options = new Grid.OpenOptions();
        options.StructSize = (uint)Marshal.SizeOf(typeof(Grid.OpenOptions));
        options.TimeoutMs = 10000;
        uint rounded = (digits + Pi.DigitsPerBlock - 1) / Pi.DigitsPerBlock * Pi.DigitsPerBlock;
        IntPtr session;
        Grid.Check(Grid.hxg_open(out session, ref options));
        try
        {
            Pi pi = new Pi(session, rounded, module, function);
            if (!showsProgress) return pi.Compute();
            Console.CancelKeyPress += (sender, key) => { key.Cancel = true; pi.Cancel(); };
            return pi.ComputeAwake();
        }
        finally
        {
            Grid.hxg_close(session, 1);
        }
    }

    static int Main(string[] arguments)
    {
        if (!Understand(arguments))
        {
            Console.Error.WriteLine("picalculator DIGITS [--progress] [--task MODULE] [--function NAME]");
            Console.Error.WriteLine("DIGITS are between 1 and {0}", Pi.LastPosition);
            return 2;
        }
        Stopwatch watch = Stopwatch.StartNew();
        try
        {
            Console.WriteLine("PI=3.{0}\n{1} ms", Compute(), watch.ElapsedMilliseconds);
            return 0;
        }
        catch (InvalidOperationException error)
        {
            Console.Error.WriteLine(error.Message);
            return 1;
        }
    }
}
